#include "petavox/pipeline/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view minimal =
    "petavox: 1\n"
    "input: {path: raw.h5, dataset: /raw}\n"
    "output: {dir: run}\n"
    "stages:\n"
    "  boundary:\n";

RunConfig good(std::string_view text, const std::vector<std::string>& overrides = {}) {
  Problems problems;
  RunConfig config = parse_config(text, "/base/a.yaml", overrides, problems);
  EXPECT_THAT(problems.texts(), ElementsAre());
  return config;
}
std::vector<std::string> problems_of(const std::string& text,
                                     const std::vector<std::string>& overrides = {}) {
  Problems problems;
  parse_config(text, "/base/a.yaml", overrides, problems);
  return problems.texts();
}
/// The only problem of the minimal configuration with `lines` added.
std::string problem_with(const std::string& lines) {
  const auto problems = problems_of(std::string{minimal} + lines);
  EXPECT_EQ(problems.size(), 1U) << testing::PrintToString(problems);
  return problems.empty() ? "none" : problems.front();
}

TEST(Config, HasDefaults) {
  const RunConfig config = good(minimal);
  EXPECT_EQ(config.block_shape, Extent::cube(128));
  EXPECT_FALSE(config.chunk_shape);
  EXPECT_EQ(config.keep, KeepMode::final);
  EXPECT_EQ(config.memory_reduction_bytes, std::size_t{1024} << 20);
  EXPECT_EQ(config.max_attempts, 3);
  EXPECT_EQ(config.isolation, Isolation::none);
  EXPECT_EQ(config.final_codec, CodecSpec{});
  ASSERT_EQ(config.stages.size(), 1U);
  EXPECT_EQ(config.stages[0].type, "boundary");
}

TEST(Config, ReadsEverything) {
  const RunConfig config = good(
      "petavox: 1\n"
      "input: {path: raw.h5, dataset: /raw, voxel_size_nm: [40, 4, 4], box: \"0:8,0:9,1:10\", gaps: blank}\n"
      "blocks: {shape: [32, 64, 64], chunk_shape: [16, 32, 64]}\n"
      "output:\n"
      "  dir: out/x\n"
      "  keep: [affinities]\n"
      "  images: {codec: lz4, level: 5, shuffle: bit}\n"
      "  labels: {codec: none}\n"
      "  final: {codec: gzip, level: 4, shuffle: byte, chunk_shape: 32, shard_shape: [64, 128, 128]}\n"
      "memory: {reduction_mb: 7, chunk_cache_mb: 8}\n"
      "run: {max_attempts: 5, lease_s: 1.5, seed: 9, isolation: process, verify_fraction: 0.25}\n"
      "plugins: [libx.so, {file: liby.so, sha256: " +
      std::string(64, 'A') +
      "}]\n"
      "stages:\n"
      "  smooth: {stage: box_blur, radius: 2, reads: {image: input}, writes: {image: smoothed}}\n"
      "  boundary: {scale_nm: 20, model_path: net.pvx}\n");
  EXPECT_EQ(config.block_shape, (Extent{32, 64, 64}));
  EXPECT_EQ(*config.chunk_shape, (Extent{16, 32, 64}));
  EXPECT_EQ(config.output_dir, "/base/out/x");
  EXPECT_EQ(config.keep, KeepMode::list);
  EXPECT_THAT(config.keep_volumes, ElementsAre("affinities"));
  EXPECT_EQ(config.image_codec, (CodecSpec{"lz4", 5, "bit"}));
  EXPECT_EQ(config.label_codec.codec, "none");
  EXPECT_EQ(config.final_codec, (CodecSpec{"gzip", 4, "byte"}));
  EXPECT_EQ(config.final_chunk_shape, Extent::cube(32));
  EXPECT_EQ(config.final_shard_shape, (Extent{64, 128, 128}));
  EXPECT_EQ(config.memory_reduction_bytes, std::size_t{7} << 20);
  EXPECT_EQ(config.lease_s, 1.5);
  EXPECT_EQ(config.seed, 9U);
  ASSERT_EQ(config.plugins.size(), 2U);
  EXPECT_EQ(config.plugins[0].file, "/base/libx.so");
  EXPECT_EQ(config.plugins[0].sha256, "");
  EXPECT_EQ(config.plugins[1].file, "/base/liby.so");
  EXPECT_EQ(config.plugins[1].sha256, std::string(64, 'a'));
  EXPECT_EQ(config.isolation, Isolation::process);
  EXPECT_EQ(config.verify_fraction, 0.25);
  ASSERT_EQ(config.stages.size(), 2U);
  EXPECT_EQ(config.stages[0].type, "box_blur");
  EXPECT_EQ(config.stages[0].reads.at("image"), "input");
  EXPECT_EQ(config.stages[0].writes.at("image"), "smoothed");
  ASSERT_EQ(config.stages[0].params.entries.size(), 1U);
  EXPECT_EQ(config.stages[0].params.find("radius")->scalar, "2");
  EXPECT_EQ(config.stages[1].params.find("model_path")->scalar, "/base/net.pvx");
}

TEST(Config, ItsCanonicalTextIsTheSameRun) {
  const RunConfig config = good(minimal, {"input.mask=/m.h5:/mask", "input.box=0:8,0:8,0:8", "run.seed=3"});
  const RunConfig again = good(config.source_text);
  EXPECT_EQ(again.source_text, config.source_text);
  EXPECT_EQ(again.main_input().path, "/base/raw.h5");
  EXPECT_EQ(again.mask->path, "/m.h5");
  EXPECT_EQ(again.main_input().box, config.main_input().box);
  EXPECT_EQ(again.seed, 3U);
}

TEST(Config, ReportsEveryProblemAtOnceWithItsPlace) {
  const auto problems = problems_of(
      "petavox: 1\n"
      "input: {pth: raw.h5}\n"
      "blocks: {shape: [64, 0, 64]}\n"
      "otput: {}\n"
      "run: {max_attempts: many, lease: 3}\n"
      "stages: {}\n");
  EXPECT_THAT(
      problems,
      testing::UnorderedElementsAre(
          "/base/a.yaml:4:8: 'otput' is not a known section (it would be ignored); did you mean 'output'?",
          "/base/a.yaml:2:8: input has neither a path nor a phantom (there is nothing to read); give one",
          "/base/a.yaml:2:14: input.pth is not a known key (it would be ignored); did you mean 'path'?",
          HasSubstr("/base/a.yaml:3:22: blocks.shape is 0"), HasSubstr("output.dir is missing"),
          HasSubstr("/base/a.yaml:5:21: run.max_attempts is not a whole number (got 'many')"),
          "/base/a.yaml:5:34: run.lease is not a known key (it would be ignored); did you mean 'lease_s'?",
          HasSubstr("`stages` is missing or empty")));
}

TEST(Config, RefusesByTheWhole) {
  EXPECT_THAT(problems_of("").front(), HasSubstr("is not a map"));
  EXPECT_THAT(problems_of("- 1\n").front(), HasSubstr("is not a map"));
  EXPECT_THAT(problems_of("x").front(), HasSubstr("is not a map"));
}

TEST(Config, RefusesEachKindOfBadValue) {
  EXPECT_THAT(problem_with("blocks: {shape: 64, chunk_shape: 48}\n"),
              HasSubstr("does not divide the block shape 64x64x64"));
  EXPECT_THAT(problem_with("blocks: [1]\n"), HasSubstr("blocks is not a map"));
  EXPECT_THAT(problem_with("memory: {reduction_mb: 0}\n"), HasSubstr("memory.reduction_mb is 0"));
  EXPECT_THAT(problem_with("run: {verify_fraction: 2}\n"), HasSubstr("run.verify_fraction is 2"));
  EXPECT_THAT(problem_with("plugins: [{file: a.so, sha256: abc}]\n"), HasSubstr("is no SHA-256 digest"));
  EXPECT_THAT(problem_with("plugins: [{}]\n"), HasSubstr("plugins.file is missing"));
  EXPECT_THAT(problem_with("run: {isolation: prison}\n"), HasSubstr("must be one of: none | process"));
  EXPECT_THAT(problem_with("plugins: {a: b}\n"), HasSubstr("`plugins` is a map"));
  EXPECT_THAT(problem_with("petavocks: 1\n"), HasSubstr("did you mean 'petavox'?"));
  const auto with_output = [](const std::string& more) {
    return problems_of("petavox: 1\ninput: {path: a}\noutput: {dir: x, " + more + "}\nstages: {boundary: }\n")
        .front();
  };
  EXPECT_THAT(with_output("keep: some"), HasSubstr("must be all, final or a list"));
  EXPECT_THAT(with_output("keep: [../x]"), HasSubstr("is not a volume name"));
  EXPECT_THAT(with_output("images: {codec: gzip}"), HasSubstr("output.images.codec is 'gzip'"));
  EXPECT_THAT(with_output("final: {codec: gzip, shuffle: bit}"), HasSubstr("no bit shuffle beside gzip"));
  EXPECT_THAT(with_output("final: {chunk_shape: 48}"),
              HasSubstr("not a multiple of the chunk shape 48x48x48"));
  EXPECT_THAT(with_output("final: 3"), HasSubstr("output.final is not a map"));
}

TEST(Config, RefusesVolumeNamesThatLeaveTheirDirectory) {
  for (const char* name : {"../x", "/x", "a/b", ".x", "-x", "a b", "..", "\"\""})
    EXPECT_THAT(problems_of("petavox: 1\ninput: {path: a}\noutput: {dir: x}\nstages: {s: {writes: {image: " +
                            std::string{name} + "}}}\n")
                    .front(),
                HasSubstr("volumes become files"))
        << name;
}

TEST(Config, RefusesAnotherVersion) {
  EXPECT_THAT(problems_of("petavox: 2\ninput: {path: a}\noutput: {dir: x}\nstages: {b: }\n").front(),
              HasSubstr("has version '2'"));
  EXPECT_THAT(problems_of("input: {path: a}\noutput: {dir: x}\nstages: {b: }\n").front(),
              HasSubstr("`petavox: 1` is missing"));
}

TEST(Config, NamesTheOverrideThatIsWrong) {
  EXPECT_THAT(problems_of(std::string{minimal}, {"blocks.shpe=3"}).front(),
              HasSubstr("--set blocks.shpe=3: blocks.shpe is not a known key (it would be ignored); did you "
                        "mean 'shape'?"));
}

TEST(Config, ReadsFromFilesOnly) {
  Problems problems;
  load_config("/no/such.yaml", {}, problems);
  load_config("/dev/zero", {}, problems);
  load_config("/", {}, problems);
  EXPECT_EQ(problems.size(), 3U);
  for (const std::string& text : problems.texts()) EXPECT_THAT(text, HasSubstr("cannot be read"));
}

TEST(SafeNames, AreFileNames) {
  EXPECT_TRUE(is_safe_name("segments.v2_a-b"));
  EXPECT_FALSE(is_safe_name(""));
  EXPECT_FALSE(is_safe_name(std::string(101, 'a')));
  EXPECT_EQ(split_dataset("a:/b.h5:/x/y"), (std::pair<std::string, std::string>{"a:/b.h5", "/x/y"}));
  EXPECT_EQ(split_dataset("a.h5"), (std::pair<std::string, std::string>{"a.h5", ""}));
}

}  // namespace
}  // namespace petavox
