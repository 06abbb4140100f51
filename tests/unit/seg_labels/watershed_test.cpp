#include "stages/watershed/watershed.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/watershed/kernel.hpp"

#include "unit/seg_labels/naive_watershed.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::MemoryRunOptions;
using testing::MemoryValue;
using testing::MemoryValues;
using testing::Random;

Box random_domain(Random& random, Index max) {
  const auto length = [&] { return 1 + static_cast<Index>(random.below(static_cast<std::uint64_t>(max))); };
  const auto corner = [&] { return static_cast<Index>(random.below(40)) - 20; };
  return Box::from({corner(), corner(), corner()}, {length(), length(), length()});
}

/// One random volume on one random cutting against the definition.
void compare_with_definition(std::uint64_t seed, Index max_length) {
  Random random{seed};
  const Box domain = random_domain(random, max_length);
  const DType type = random.below(3) == 0 ? DType::u16 : DType::u8;
  const auto texture = static_cast<testing::Texture>(random.below(testing::num_textures));
  const Array affinities = testing::random_image(type, domain, 3, texture, seed);
  const double fractions[] = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.5};
  const double low = fractions[random.below(7)];
  const double high = std::max(low, fractions[random.below(8)]);
  const auto t = watershed::thresholds_of(low, high, type);

  MemoryRunOptions options;
  if (random.below(2) == 0) options.mask = std::make_shared<const Array>(testing::random_mask(domain, seed));
  const auto extent = [&] {
    return 1 + static_cast<Index>(random.below(static_cast<std::uint64_t>(max_length)));
  };
  options.block_shape = {extent(), extent(), extent()};
  if (random.below(3) == 0) options.guillotine_seed = seed;
  options.order_seed = seed;
  options.tuning.swap_children = random.below(2) == 0;

  const auto program = testing::make_program(
      watershed_stage(), {{"threshold_low", std::to_string(low)}, {"threshold_high", std::to_string(high)}});
  const MemoryValues found =
      run_in_memory(program, {{"affinities", MemoryValue::image(affinities.clone())}}, options);
  const Array expected = oracle::naive_watershed(affinities, options.mask.get(), t.low, t.high);
  ASSERT_TRUE(testing::same_voxels(expected, found.at("supervoxels").voxels()))
      << "seed " << seed << ", domain " << to_string(domain) << ", blocks " << to_string(options.block_shape)
      << ", texture " << static_cast<int>(texture) << (options.mask ? ", masked" : "") << ", thresholds "
      << low << " " << high;
}

TEST(Watershed, EqualsTheDefinitionOnThousandsOfSmallVolumes) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    compare_with_definition(seed, 9);
    if (HasFatalFailure()) return;
  }
}

TEST(Watershed, EqualsTheDefinitionOnLargerVolumes) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    compare_with_definition(1000000 + seed, 64);
    if (HasFatalFailure()) return;
  }
}

TEST(Watershed, PassesTheStageKit) {
  EXPECT_TRUE(testing::check_stage_type(
      watershed_stage(), {.params = {{"threshold_low", "0.2"}, {"threshold_high", "0.9"}}, .rounds = 2}));
}

TEST(Watershed, ConstantAffinityIsOneObject) {
  const Box domain = Box::from({0, 0, 0}, {9, 8, 7});
  Array affinities{DType::u8, domain, 3};
  for (auto& a : affinities.bytes()) a = std::byte{200};
  MemoryRunOptions options;
  options.block_shape = {4, 3, 2};
  const auto found = run_in_memory(testing::make_program(watershed_stage(), {{"threshold_high", "0.5"}}),
                                   {{"affinities", MemoryValue::image(std::move(affinities))}}, options);
  for (const Name name : found.at("supervoxels").voxels().view<std::uint64_t>().channel())
    EXPECT_EQ(name, 1U);
}

TEST(Watershed, ThresholdsAreTheSmallestValueOfThatFraction) {
  const auto t = watershed::thresholds_of(0.2, 0.99, DType::u8);
  EXPECT_EQ(t.low, 51);  // 51 / 255 is 0.2, although 0.2 * 255 is a little more than 51 in doubles
  EXPECT_EQ(t.high, 253);
  EXPECT_EQ(watershed::thresholds_of(0, 1, DType::u8).low, 0);
  EXPECT_EQ(watershed::thresholds_of(0, 1, DType::u8).high, 255);
  EXPECT_EQ(watershed::thresholds_of(0, 1.01, DType::u8).high, 256);
  EXPECT_EQ(watershed::thresholds_of(0.5, 1, DType::u16).low, 32768);
}

TEST(Watershed, IdsAscendInOrderOfFirstAppearance) {
  const Box domain = Box::from({-2, 3, 1}, {6, 7, 8});
  const Array affinities = testing::random_image(DType::u8, domain, 3, testing::Texture::uniform, 5);
  LabelArray fragments{Array{DType::u32, domain}, {}};
  watershed::fragments_of(affinities, std::nullopt, {100, 256}, fragments);
  std::uint32_t next = 1;
  const auto ids = fragments.ids.view<std::uint32_t>();
  domain.for_each([&](Coord p) {
    if (ids[p] == next) {
      EXPECT_EQ(fragments.names[next - 1], name_of_voxel(domain, p));
      ++next;
    }
    EXPECT_LT(ids[p], next);
  });
  EXPECT_EQ(fragments.names.size(), next - 1);
}

TEST(Watershed, RefusesWhatItCannotRead) {
  const Box domain = Box::from({0, 0, 0}, {4, 4, 4});
  LabelArray fragments{Array{DType::u32, domain}, {}};
  const auto text_of = [&](const Array& affinities) -> std::string {
    try {
      watershed::fragments_of(affinities, std::nullopt, {0, 1}, fragments);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(text_of(Array{DType::u8, domain, 1}).find("1 channels"), std::string::npos);
  EXPECT_NE(text_of(Array{DType::f32, domain, 3}).find("quantise"), std::string::npos);
  EXPECT_NE(text_of(Array{DType::u8, Box::from({1, 0, 0}, {3, 4, 4}), domain, 3}).find("too few"),
            std::string::npos);
  EXPECT_THROW(
      testing::make_program(watershed_stage(), {{"threshold_low", "0.9"}, {"threshold_high", "0.5"}}), Error);
  EXPECT_THROW(testing::make_program(watershed_stage(), {{"treshold_low", "0.9"}}), Error);
}

}  // namespace
}  // namespace petavox
