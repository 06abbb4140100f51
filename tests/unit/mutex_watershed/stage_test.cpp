#include "petavox/testing/stage_kit.hpp"

#include "stages/mutex_watershed/mutex_watershed.hpp"

#include "unit/mutex_watershed/naive_mutex_watershed.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::MemoryValue;
using testing::run_in_memory;

constexpr const char* offsets = "[[-1, 0, 0], [0, -1, 0], [0, 0, -1], [-2, 0, 0], [0, 3, 0], [-1, 0, 3]]";

testing::KitOptions kit(testing::ParamTexts params) {
  testing::KitOptions options;
  params.emplace_back("offsets", offsets);
  options.params = std::move(params);
  options.domains = {Box::from({0, 0, 0}, {6, 7, 9}), Box::from({-5, 3, -2}, {5, 8, 7})};
  return options;
}

TEST(MutexWatershedStage, DoesNotDependOnTheBlocks) {
  EXPECT_TRUE(testing::check_stage_type(mutex_watershed_stage(),
                                        kit({{"subvolume", "[3, 4, 5]"}, {"overlap", "[1, 2, 2]"}})));
  EXPECT_TRUE(testing::check_stage_type(mutex_watershed_stage(), kit({{"subvolume", "[4, 5, 4]"},
                                                                      {"overlap", "[2, 1, 1]"},
                                                                      {"strides", "[1, 2, 2]"},
                                                                      {"threshold", "0.2"},
                                                                      {"repulsive_bias", "-0.25"},
                                                                      {"min_voxels", "3"},
                                                                      {"iou_threshold", "0.2"}})));
}

TEST(MutexWatershedStage, OneSubvolumeIsTheDefinition) {
  const Box domain = Box::from({-2, 4, 1}, {7, 8, 9});
  const Array affinities = testing::random_image(DType::u8, domain, 6, testing::Texture::uniform, 4);
  const auto program = testing::make_program(mutex_watershed_stage(),
                                             {{"offsets", offsets}, {"subvolume", "64"}, {"overlap", "4"}});
  const auto found = run_in_memory(program, {{"long_range", MemoryValue::image(affinities.clone())}});
  const mutex_watershed::Graph graph{
      {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}, {-2, 0, 0}, {0, 3, 0}, {-1, 0, 3}}, 3, {1, 1, 1}, 0, 0};
  EXPECT_TRUE(testing::same_voxels(oracle::naive_mutex_watershed(affinities, nullptr, graph),
                                   found.at("stitched").voxels()));
}

TEST(MutexWatershedStage, StitchesWhatIsClear) {
  // Two slabs with a wall between them, cut into many subvolumes: two objects again.
  const Box domain = Box::from({0, 0, 0}, {16, 20, 24});
  Array affinities{DType::u8, domain, 6};
  const auto values = affinities.view<std::uint8_t>();
  const std::vector<Extent> pairs{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}, {-2, 0, 0}, {0, 3, 0}, {-1, 0, 3}};
  for (int k = 0; k < 6; ++k)
    domain.for_each([&](Coord p) {
      const Index other = p.y + pairs[static_cast<std::size_t>(k)].y;
      values.at(k, p) = (p.y < 10) == (other < 10) ? 255 : 0;
    });
  const auto program = testing::make_program(
      mutex_watershed_stage(), {{"offsets", offsets}, {"subvolume", "[5, 7, 8]"}, {"overlap", "2"}});
  const auto found = run_in_memory(program, {{"long_range", MemoryValue::image(affinities.clone())}});
  const auto names = found.at("stitched").voxels().view<std::uint64_t>();
  domain.for_each([&](Coord p) { ASSERT_EQ(names[p], p.y < 10 ? 1U : 1U + 10 * 24) << to_string(p); });
}

std::string refusal(const testing::ParamTexts& params) {
  try {
    testing::make_program(mutex_watershed_stage(), params);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(MutexWatershedStage, SaysWhatIsWrongWithTheOffsets) {
  EXPECT_NE(refusal({{"offsets", "[]"}}).find("there are 0 offsets"), std::string::npos);
  EXPECT_NE(refusal({{"offsets", "[[0, 0, 0]]"}, {"attractive", "1"}}).find("no edge to itself"),
            std::string::npos);
  EXPECT_NE(refusal({{"offsets", "[[-1, 0]]"}, {"attractive", "1"}}).find("is not three whole numbers"),
            std::string::npos);
  EXPECT_NE(refusal({{"offsets", "3"}}).find("is not three whole numbers"), std::string::npos);
  EXPECT_NE(refusal({{"offsets", "[[-1, 0, 0]]"}}).find("more channels attract"), std::string::npos);
  EXPECT_NE(refusal({{"overlap", "0"}}).find("overlap is 0"), std::string::npos);
  EXPECT_EQ(refusal({}), "no error");
}

}  // namespace
}  // namespace petavox
