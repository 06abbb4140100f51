// What a plan refuses, in the words that users see.

#include "unit/run/world.hpp"

#include <gmock/gmock.h>

namespace petavox::test {
namespace {

using ::testing::ElementsAre;

/// The lines of the error; line numbers of the stages follow from `text`.
std::vector<std::string> errors_of(const RunConfig& config, const std::vector<InputInfo>& inputs) {
  std::vector<std::string> lines;
  try {
    static_cast<void>(make_plan(config, registry(), inputs));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    std::istringstream in{error.what()};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
  }
  return lines;
}

const std::string head =
    "petavox: 1\n"
    "input: {path: raw.h5, dataset: /raw}\n"
    "output: {dir: run}\n"
    "blocks: {shape: [8, 8, 8]}\n"
    "stages:\n";  // stages begin in line 6

std::vector<std::string> errors_with(const std::string& stages, DType type = DType::u8, int channels = 1) {
  return errors_of(config_of(head + stages),
                   {input_info("input", Box::from({0, 0, 0}, {16, 16, 16}), type, channels)});
}

TEST(PlanErrors, UnknownStage) {
  EXPECT_THAT(
      errors_with("  smooth: {stage: bondary}\n"),
      ElementsAre("/base/a.yaml:6:11: no stage is called 'bondary' (stages.smooth cannot run); did you "
                  "mean 'boundary'?"));
  EXPECT_THAT(
      errors_with("  skeletonise_everything:\n"),
      ElementsAre("/base/a.yaml:6:3: no stage is called 'skeletonise_everything' "
                  "(stages.skeletonise_everything cannot run); see `petavox stages`, or load its plugin"));
}

TEST(PlanErrors, UnknownPort) {
  EXPECT_THAT(
      errors_with("  boundary: {reads: {imag: input}, writes: {affinity: a}}\n"),
      ElementsAre("/base/a.yaml:6:13: stages.boundary.reads.imag: the stage has no such port (nothing "
                  "would be connected); its ports are: image",
                  "/base/a.yaml:6:13: stages.boundary.writes.affinity: the stage has no such port "
                  "(nothing would be connected); its ports are: affinities"));
}

TEST(PlanErrors, MissingVolume) {
  EXPECT_THAT(
      errors_with("  boundary:\n  watershed: {reads: {affinities: afinities}}\n"),
      ElementsAre("/base/a.yaml:7:14: stages.watershed reads volume 'afinities' at port 'affinities', "
                  "which no earlier stage writes (it cannot run); did you mean 'affinities'?"));
  EXPECT_THAT(errors_with("  stitch:\n").size(), 1);
  EXPECT_THAT(
      errors_with("  watershed:\n  boundary:\n"),
      ElementsAre("/base/a.yaml:6:3: stages.watershed reads volume 'affinities' at port 'affinities', "
                  "which no earlier stage writes (it cannot run); volumes so far: input"));
}

TEST(PlanErrors, WrongKindTypeOrChannels) {
  EXPECT_THAT(errors_with("  relabel: {reads: {labels: input}}\n"),
              ElementsAre("/base/a.yaml:6:12: stages.relabel cannot read volume 'input' at port 'labels': it "
                          "holds image (the port takes labels); connect another volume"));
  EXPECT_THAT(
      errors_with("  components:\n", DType::f32),
      ElementsAre("/base/a.yaml:6:3: stages.components cannot read volume 'input' at port 'image': its "
                  "voxels are float32 (the port takes uint8, uint16, uint32, uint64, int8, int16, "
                  "int32, int64); convert it, or connect another volume"));
  EXPECT_THAT(
      errors_with("  watershed: {reads: {affinities: input}}\n", DType::u8, 2),
      ElementsAre("/base/a.yaml:6:14: stages.watershed cannot read volume 'input' at port 'affinities': "
                  "it has 2 channels (the port takes 3); connect another volume"));
}

TEST(PlanErrors, DuplicateVolume) {
  EXPECT_THAT(
      errors_with("  boundary:\n  again: {stage: boundary}\n"),
      ElementsAre("/base/a.yaml:7:10: stages.again writes volume 'affinities', which exists already (one "
                  "writer per volume); give it another name under stages.again.writes.affinities"));
  EXPECT_THAT(errors_with("  flaky: {writes: {image: input}}\n"),
              ElementsAre("/base/a.yaml:6:10: stages.flaky writes volume 'input', which exists already (one "
                          "writer per volume); give it another name under stages.flaky.writes.image"));
}

TEST(PlanErrors, TableOnAnotherTiling) {
  const auto errors = errors_with(
      "  boundary:\n"
      "  watershed:\n"
      "  region_graph:\n"
      "  half: {stage: downsample, factor: [2, 2, 2], writes: {image: half}}\n"
      "  small: {stage: components, reads: {image: half}, writes: {components: small}}\n"
      "  agglomerate: {threshold: 0.5, reads: {supervoxels: small}}\n");
  ASSERT_FALSE(errors.empty());
  EXPECT_EQ(errors.front(),
            "/base/a.yaml:11:16: stages.agglomerate reads table 'region_graph' on another tiling than it was "
            "written (rows belong to blocks); connect ports of one resolution");
}

TEST(PlanErrors, KeepOfAnUnknownVolume) {
  RunConfig config = config_of(head + "  boundary:\n");
  config.keep = KeepMode::list;
  config.keep_volumes = {"affinities", "skeletons"};
  EXPECT_THAT(
      errors_of(config, {input_info("input", Box::from({0, 0, 0}, {16, 16, 16}))}),
      ElementsAre("/base/a.yaml: output.keep names 'skeletons', which no stage writes as voxels (nothing "
                  "could be kept); use the names of image and label volumes"));
}

TEST(PlanErrors, ChunkThatDoesNotDivide) {
  // The configuration refuses this too; a program that fills in a RunConfig by itself meets the plan.
  RunConfig config = config_of(head + "  flaky: {writes: {image: copy}}\n");
  config.chunk_shape = Extent{8, 4, 3};
  EXPECT_THAT(
      errors_of(config, {input_info("input", Box::from({0, 0, 0}, {16, 16, 16}))}),
      ElementsAre("/base/a.yaml:6:10: blocks.chunk_shape 8x4x3 does not divide blocks.shape 8x8x8 (two "
                  "blocks would write one chunk); choose a divisor"));
}

TEST(PlanErrors, WhatARefusedStageWouldHaveWrittenIsNotReportedToo) {
  const auto errors = errors_with(
      "  boundary: {meen: 3}\n"
      "  watershed: {}\n"
      "  region_graph: {}\n");
  ASSERT_EQ(errors.size(), 1U) << ::testing::PrintToString(errors);
  EXPECT_THAT(errors.front(), ::testing::HasSubstr("meen"));
}

TEST(PlanErrors, AllAtOnceInTheOrderOfTheFile) {
  const auto errors = errors_with(
      "  boundary: {scales_nm: [], meen: 3}\n"
      "  bundary: {}\n"
      "  flaky: {writes: {image: input}}\n"
      "  components: {connectivity: 7}\n"
      "  downsample: {factor: [2, 2, 2], reads: {image: nothing_like_it}}\n");
  ASSERT_EQ(errors.size(), 6U) << ::testing::PrintToString(errors);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const std::size_t line = i == 0 ? 6 : 5 + i;
    EXPECT_THAT(errors[i], ::testing::StartsWith("/base/a.yaml:" + std::to_string(line) + ":"));
    EXPECT_THAT(errors[i], ::testing::ContainsRegex(" \\(.*\\); ")) << "no <why> and <what to do>";
  }
}

}  // namespace
}  // namespace petavox::test
