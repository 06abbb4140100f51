#include "petavox/pipeline/config.hpp"
#include "petavox/stage/map_stage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace petavox::inputs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view phantom_run =
    "petavox: 1\n"
    "input: {phantom: {shape: [64, 96, 96], seed: 5}}\n"
    "inputs: {truth: {phantom: labels}}\n"
    "output: {dir: run}\n"
    "stages:\n"
    "  boundary:\n"
    "  compare:\n"
    "  report: {reads: {image: compared}}\n";
constexpr std::string_view file_run =
    "petavox: 1\n"
    "input: {path: d/raw.h5, dataset: /raw}\n"
    "inputs: {truth: {path: d/raw.h5, dataset: /labels}}\n"
    "output: {dir: run}\n"
    "stages: {boundary: , compare: }\n";

RunConfig good(std::string_view text, const std::vector<std::string>& overrides = {}) {
  Problems problems;
  RunConfig config = parse_config(text, "/base/a.yaml", overrides, problems);
  EXPECT_THAT(problems.texts(), ElementsAre());
  return config;
}
std::string problem_of(const std::string& input, const std::string& inputs = "{}") {
  Problems problems;
  parse_config("petavox: 1\ninput: " + input + "\ninputs: " + inputs + "\noutput: {dir: r}\nstages: {b: }\n",
               "/base/a.yaml", {}, problems);
  return problems.empty() ? "none" : problems.texts().front();
}

TEST(ConfigInputs, PhantomsShareShapeAndSeed) {
  const RunConfig config = good(phantom_run);
  ASSERT_THAT(config.inputs, SizeIs(2));
  EXPECT_EQ(config.inputs[0].phantom->volume, "raw");
  EXPECT_EQ(config.inputs[1].name, "truth");
  EXPECT_EQ(config.inputs[1].phantom->volume, "labels");
  EXPECT_EQ(config.inputs[1].phantom->shape, (Extent{64, 96, 96}));
  EXPECT_EQ(config.inputs[1].phantom->seed, 5U);
}

TEST(ConfigInputs, PathsFollowTheirOrigin) {
  const RunConfig config = good(file_run, {"input.mask=m.h5:/m", "output.dir=out"});
  EXPECT_EQ(config.main_input().path, "/base/d/raw.h5");
  EXPECT_EQ(config.mask->path, std::filesystem::current_path() / "m.h5");
  EXPECT_EQ(config.mask->dataset, "/m");
  EXPECT_EQ(config.output_dir, std::filesystem::current_path() / "out");
}

TEST(ConfigInputs, APathFromTheCommandLineReplacesThePhantomAndItsTruth) {
  const RunConfig config =
      good(phantom_run, {"input.path=/x.h5", "input.dataset=/raw", "input.box=0:4,0:4,0:4"});
  ASSERT_THAT(config.inputs, SizeIs(1));
  EXPECT_FALSE(config.main_input().phantom);
  EXPECT_EQ(config.main_input().path, "/x.h5");
  EXPECT_THAT(config.absent_inputs, ElementsAre("truth"));
  EXPECT_THAT(config.notes, ElementsAre(HasSubstr("input.path from --set takes the place of input.phantom"),
                                        HasSubstr("input 'truth' belongs to the input that --set replaced")));
}

TEST(ConfigInputs, AnotherFileLosesTheTruthUnlessThatIsGivenToo) {
  EXPECT_THAT(good(file_run, {"input.path=/x.h5"}).absent_inputs, ElementsAre("truth"));
  EXPECT_THAT(good(file_run, {"input.path=/base/d/../d/raw.h5"}).absent_inputs, ElementsAre());
  const RunConfig config = good(file_run, {"input.path=/x.h5", "inputs.truth.path=/y.h5"});
  EXPECT_THAT(config.absent_inputs, ElementsAre());
  EXPECT_EQ(config.inputs[1].path, "/y.h5");
  EXPECT_EQ(config.inputs[1].dataset, "/labels");
}

TEST(ConfigInputs, APhantomFromTheCommandLineReplacesThePath) {
  const RunConfig config = good(file_run, {"input.phantom={shape: [8,8,8]}"});
  EXPECT_TRUE(config.main_input().path.empty());
  EXPECT_EQ(config.main_input().phantom->shape, Extent::cube(8));
  EXPECT_THAT(config.absent_inputs, ElementsAre("truth"));
}

TEST(ConfigInputs, APathMayCarryItsDataset) {
  EXPECT_EQ(good(file_run, {"input.path=/x.h5:/em/raw"}).main_input().dataset, "/em/raw");
  EXPECT_EQ(good(file_run, {"input.path=/x.h5:/em/raw"}).main_input().path, "/x.h5");
  EXPECT_THAT(problem_of("{path: \"a.h5:/x\", dataset: /y}"),
              HasSubstr("names a dataset in `path` and in `dataset`"));
}

TEST(ConfigInputs, ADirectoryFromTheCommandLineHasNoDataset) {
  EXPECT_EQ(good(file_run, {"input.path=/tmp"}).main_input().dataset, "");
}

TEST(ConfigInputs, ReadsBoxesInBothForms) {
  const Box box{{-1, 2, 3}, {4, 5, 6}};
  const auto with_box = [](const std::string& text) {
    return good("petavox: 1\ninput: {path: a, box: " + text + "}\noutput: {dir: r}\nstages: {b: }\n")
        .main_input()
        .box;
  };
  EXPECT_EQ(with_box("\"-1:4,2:5,3:6\""), box);
  EXPECT_EQ(with_box("[[-1, 4], [2, 5], [3, 6]]"), box);
}

TEST(ConfigInputs, RefusesBadOnes) {
  EXPECT_THAT(problem_of("{path: a, box: \"0:1,0:1\"}"), HasSubstr("input.box is not a box"));
  EXPECT_THAT(problem_of("{path: a, box: [[0, 1], [0, 0], [0, 1]]}"), HasSubstr("input.box is not a box"));
  EXPECT_THAT(problem_of("{path: a, box: [[0, 1], [0, 9223372036854775807], [0, 1]]}"), HasSubstr("2^40"));
  EXPECT_THAT(problem_of("{path: a, voxel_size_nm: [1, 2]}"), HasSubstr("has not three numbers"));
  EXPECT_THAT(problem_of("{path: a, voxel_size_nm: [1, 2, 0]}"), HasSubstr("input.voxel_size_nm is 0"));
  EXPECT_THAT(problem_of("{phantom: {shape: [1073741824, 1073741824, 1073741824]}}"),
              HasSubstr("more than 2^60 voxels"));
  EXPECT_THAT(problem_of("{phantom: {shp: 3}}"), HasSubstr("did you mean 'shape'?"));
  EXPECT_THAT(problem_of("{path: a, phantom: {}}"), HasSubstr("has both a path and a phantom"));
  EXPECT_THAT(problem_of("{phantom: {volume: ../x}}"), HasSubstr("is not a name"));
  EXPECT_THAT(problem_of("raw.h5"), HasSubstr("input is not a map"));
  EXPECT_THAT(problem_of("{path: a, mask: [1]}"), HasSubstr("input.mask is a list"));
  EXPECT_THAT(problem_of("{path: a, mask: {dataset: /x}}"), HasSubstr("input.mask.path is missing"));
  EXPECT_THAT(problem_of("{path: a, gaps: some}"), HasSubstr("refuse | blank | skip"));
  EXPECT_THAT(problem_of("{path: a}", "{input: {path: b}}"),
              HasSubstr("inputs.input is not a possible name"));
  EXPECT_THAT(problem_of("{path: a}", "{../x: {path: b}}"), HasSubstr("is not a possible name"));
  EXPECT_THAT(problem_of("{path: a}", "{t: {phantom: labels}}"),
              HasSubstr("refers to the phantom of the main input"));
}

class Boundary final : public MapStage<Boundary> {
 public:
  static constexpr std::string_view name = "boundary", summary = "test", out_port = "affinities";
  explicit Boundary(Params&) {}
  Halo halo() const { return Halo::none(); }
  template <Voxel T>
  void apply(View<const T>, View<T>, const BlockContext&) const {}
};
class Compare final : public Stage {
 public:
  static constexpr std::string_view name = "compare", summary = "test";
  explicit Compare(Params&) {}
  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back({.name = "image", .volume = "affinities"});
    c.reads.push_back({.name = "truth"});
    c.writes.push_back({.name = "compared"});
    return c;
  }
  void run(const BlockInputs&, BlockOutputs&, const BlockContext&) const override {}
};
class Report final : public MapStage<Report> {
 public:
  static constexpr std::string_view name = "report", summary = "test";
  explicit Report(Params&) {}
  Halo halo() const { return Halo::none(); }
  template <Voxel T>
  void apply(View<const T>, View<T>, const BlockContext&) const {}
};

TEST(ConfigSkip, DropsWhatNeedsAnAbsentInputAndWhatFollows) {
  StageRegistry registry;
  registry.add<Boundary>();
  registry.add<Compare>();
  registry.add<Report>();
  RunConfig config = good(phantom_run, {"input.path=/x.h5"});
  skip_stages_without_inputs(config, registry);
  ASSERT_THAT(config.stages, SizeIs(1));
  EXPECT_EQ(config.stages[0].name, "boundary");
  EXPECT_THAT(config.notes, testing::Contains(HasSubstr("stage 'compare' is skipped: it reads 'truth'")));
  EXPECT_THAT(config.notes, testing::Contains(HasSubstr("stage 'report' is skipped: it reads 'compared'")));
  // What is left is a whole configuration of its own.
  EXPECT_THAT(good(config.source_text).stages, SizeIs(1));

  RunConfig whole = good(phantom_run);
  skip_stages_without_inputs(whole, registry);
  EXPECT_THAT(whole.stages, SizeIs(3));
}

}  // namespace
}  // namespace petavox::inputs
