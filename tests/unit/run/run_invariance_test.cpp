// The same digest whatever the blocks, the ranks and the schedule; with boxes and masks too.

#include "unit/run/run_world.hpp"

namespace petavox::test {
namespace {

const Box domain = Box::from({-4, -4, 2}, {10, 12, 14});

struct Way {
  std::string blocks;
  int ranks;
  std::uint64_t seed;
};
const std::vector<Way> ways{{"[4, 5, 6]", 0, 0}, {"[10, 3, 14]", 0, 1}, {"[3, 12, 5]", 0, 2},
                            {"[4, 5, 6]", 0, 3}, {"[4, 5, 6]", 1, 0},   {"[5, 7, 4]", 2, 1},
                            {"[4, 5, 6]", 3, 2}};

/// Runs `stages` in one block and in every other way.
void expect_one_digest(RunWorld& world, const std::string& stages, const std::string& input,
                       const std::string& volume) {
  const std::string dir = world.next_dir();
  const RunReport whole = world.run(run_header(dir, "[64, 64, 64]", input) + stages);
  expect_done(whole);
  EXPECT_GT(num_objects(voxels_of(world, dir, volume)), 5U) << "too little to tell runs apart";
  for (const Way& way : ways) {
    SCOPED_TRACE(way.blocks + " ranks " + std::to_string(way.ranks) + " seed " + std::to_string(way.seed));
    const RunReport report =
        world.run(run_header(world.next_dir(), way.blocks, input) + stages, quiet(way.seed), way.ranks);
    expect_done(report);
    EXPECT_EQ(to_hex(report.digest), to_hex(whole.digest));
    EXPECT_EQ(report.tasks_run, world.total());
    EXPECT_EQ(report.tasks_resumed, 0);
    Index done = 0;
    for (const StepReport& step : report.steps) done += step.done;
    EXPECT_EQ(done, world.total());
  }
}

TEST(RunInvariance, WatershedChain) {
  RunWorld world;
  world.add("raw.h5", domain, 3, 1);
  expect_one_digest(world, watershed_chain, "", "segments");
}

TEST(RunInvariance, ComponentsInABoxWithNegativeCorners) {
  RunWorld world;
  world.add("raw.h5", domain, 1, 2);
  expect_one_digest(world, components_chain, ", box: \"-3:5,-3:8,3:14\"", "numbered");
  const auto volume = open_run_volume(world / "out1", "numbered");
  EXPECT_EQ(volume->domain(), (Box{{-3, -3, 3}, {5, 8, 14}}));
}

TEST(RunInvariance, WholeAxesDivisorsAndDomainsOfTheirOwn) {
  RunWorld world;
  world.add("raw.h5", domain, 1, 5);
  const std::string stages =
      "stages:\n"
      "  flaky: {writes: {image: copy}}\n"
      "  coarse: {stage: downsample, factor: [1, 2, 3], reads: {image: copy}, writes: {image: coarse}}\n"
      "  canvas: {reads: {image: copy}}\n";
  const RunReport whole = world.run(run_header(world.next_dir(), "[64, 64, 64]", "") + stages);
  expect_done(whole);
  for (const Way& way : ways) {
    SCOPED_TRACE(way.blocks + " ranks " + std::to_string(way.ranks) + " seed " + std::to_string(way.seed));
    const RunReport report =
        world.run(run_header(world.next_dir(), way.blocks, "") + stages, quiet(way.seed), way.ranks);
    expect_done(report);
    EXPECT_EQ(to_hex(report.digest), to_hex(whole.digest));
  }
}

/// 1 in a ball, so that corner blocks lie wholly outside. `factor` voxels of `of` per voxel.
MemoryVolume ball(const Box& of, Index factor) {
  MemoryVolume mask{DType::u8, coarsened(of, Extent::cube(factor))};
  const auto view = mask.array().view<std::uint8_t>();
  mask.domain().for_each([&](Coord p) {
    double distance = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const double middle = 0.5 * static_cast<double>(of.begin[axis] + of.end[axis]);
      const double from_middle = (static_cast<double>(p[axis]) + 0.5) * static_cast<double>(factor) - middle;
      distance += from_middle * from_middle;
    }
    view[p] = distance < 25 ? 1 : 0;
  });
  return mask;
}

void expect_masked(const std::string& stages, const std::string& volume, int channels, Index factor) {
  RunWorld world;
  world.add("raw.h5", domain, channels, 3);
  world.add("mask.h5", ball(domain, factor));
  const std::string input = ", box: \"-3:6,-2:8,3:16\", mask: {path: mask.h5, dataset: /mask}";
  expect_one_digest(world, stages, input, volume);

  const std::string dir = world.next_dir();
  const RunReport report = world.run(run_header(dir, "[2, 3, 2]", input) + stages);
  expect_done(report);
  EXPECT_GT(report.steps.front().skipped, 0);
  EXPECT_EQ(report.steps.front().done, report.steps.front().total);
  const Array labels = voxels_of(world, dir, volume);
  const auto view = labels.view<std::uint64_t>();
  const MemoryVolume& mask = world.volume("mask.h5");
  const auto inside = mask.array().view<std::uint8_t>();
  Index wrong = 0;
  labels.box().for_each([&](Coord p) {
    const Coord q{floor_div(p.z, factor), floor_div(p.y, factor), floor_div(p.x, factor)};
    wrong += inside[q] == 0 && view[p] != 0 ? 1 : 0;
  });
  EXPECT_EQ(wrong, 0) << "voxels outside the mask must read as 0";
  // What lies outside the mask has no say.
  RunWorld changed;
  changed.add("raw.h5", domain, channels, 3);
  changed.add("mask.h5", ball(domain, factor));
  MemoryVolume noise{DType::u8, domain, channels, {8, 8, 8}};
  noise.write(world.volume("raw.h5").array());
  const auto voxels = noise.array().view<std::uint8_t>();
  for (int c = 0; c < channels; ++c)
    domain.for_each([&](Coord p) {
      const Coord q{floor_div(p.z, factor), floor_div(p.y, factor), floor_div(p.x, factor)};
      if (inside[q] == 0) voxels.at(c, p) = static_cast<std::uint8_t>(voxels.at(c, p) * 3 + 50);
    });
  changed.add("raw.h5", std::move(noise));
  EXPECT_EQ(changed.run(run_header(changed.next_dir(), "[4, 5, 6]", input) + stages).digest, report.digest);
}

TEST(RunInvariance, FineMaskOnTheWatershedChain) { expect_masked(watershed_chain, "segments", 3, 1); }
TEST(RunInvariance, CoarseMaskOnTheWatershedChain) { expect_masked(watershed_chain, "segments", 3, 2); }
TEST(RunInvariance, FineMaskOnComponents) { expect_masked(components_chain, "numbered", 1, 1); }

TEST(RunInputs, AreOtherInputsWhenTheirSourceChanges) {
  RunWorld world;
  world.add("raw.h5", domain, 1, 4);
  world.add("mask.h5", ball(domain, 1));
  const auto identity = [&](const std::string& input) {
    const RunConfig config = config_of(
        "petavox: 1\ninput: {" + input + "}\noutput: {dir: out}\nstages:\n  boundary:\n", world / "run.yaml");
    Problems problems;
    const auto opener = [&](const InputSpec& spec) -> std::unique_ptr<Volume> {
      return std::make_unique<Lent>(world.volume(spec.name == "mask" ? "mask.h5" : "raw.h5"));
    };
    const auto set = InputSet::open(config, opener, problems);
    EXPECT_TRUE(problems.empty());
    return set->infos().front().identity;
  };
  const std::string phantom = "phantom: {shape: [10, 12, 14], seed: 1";
  EXPECT_EQ(identity(phantom + "}"), identity(phantom + ", noise: 1}"));
  EXPECT_NE(identity(phantom + "}"), identity(phantom + ", noise: 2}"));
  EXPECT_NE(identity(phantom + "}"), identity(phantom + ", section_variation: 2}"));
  EXPECT_NE(identity(phantom + "}"), identity(phantom + ", section_jitter_nm: 5}"));

  // A mask that was replaced is another mask, as an input that was replaced is another input.
  for (const std::string name : {"raw.h5", "mask.h5"}) {
    const std::string input = "path: raw.h5, dataset: /raw, mask: {path: mask.h5, dataset: /mask}";
    write_bytes(world / name, {'a'});
    const std::string before = identity(input);
    EXPECT_EQ(identity(input), before);
    write_bytes(world / name, {'a', 'b'});
    EXPECT_NE(identity(input), before) << name;
  }
}

}  // namespace
}  // namespace petavox::test
