#include "stages/components/components.hpp"

#include "petavox/testing/memory_block.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/components/foreground.hpp"
#include "stages/components/kernel.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using components::Foreground;
using testing::MemoryRunOptions;
using testing::MemoryValue;
using testing::Random;

/// Foreground as numbers, from the definition: 0 outside.
Array as_labels(const Array& image, const Array* mask, const Foreground& foreground) {
  Array values{DType::u64, image.box()};
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    image.box().for_each([&](Coord p) {
      const T value = image.view<T>()[p];
      std::uint64_t& out = values.view<std::uint64_t>()[p];
      if (mask != nullptr && mask->view<std::uint8_t>()[p] == 0) return;
      if (foreground.rule == Foreground::Rule::labels)
        out = static_cast<std::uint64_t>(value);
      else if (foreground.rule == Foreground::Rule::above)
        out = static_cast<double>(value) > foreground.threshold;
      else
        out = static_cast<double>(value) >= foreground.threshold;
    });
  });
  return values;
}

void compare_with_definition(std::uint64_t seed, Index max_length) {
  Random random{seed};
  const auto length = [&] {
    return 1 + static_cast<Index>(random.below(static_cast<std::uint64_t>(max_length)));
  };
  const auto corner = [&] { return static_cast<Index>(random.below(40)) - 20; };
  const Box domain = Box::from({corner(), corner(), corner()}, {length(), length(), length()});
  const int connectivities[] = {6, 18, 26};
  const int connectivity = connectivities[random.below(3)];
  const char* rules[] = {"labels", "above", "at_least"};
  const std::string rule = rules[random.below(3)];
  Foreground foreground;
  foreground.rule = rule == "labels"  ? Foreground::Rule::labels
                    : rule == "above" ? Foreground::Rule::above
                                      : Foreground::Rule::at_least;
  const DType labels[] = {DType::u8, DType::u16, DType::u32, DType::u64,
                          DType::i8, DType::i16, DType::i32, DType::i64};
  const DType small[] = {DType::u8, DType::u16, DType::i8, DType::f32};
  const DType type = rule == "labels" ? labels[random.below(8)] : small[random.below(4)];
  const double thresholds[] = {-1, 0, 0.4, 0.5, 60, 127, 128.5};
  foreground.threshold = thresholds[random.below(7)];
  Array image = testing::random_image(type, domain, 1, static_cast<testing::Texture>(random.below(5)), seed);
  if (rule == "labels" && random.below(2) == 0)  // few values, many zeros
    visit_dtype(type, [&]<class T>(std::type_identity<T>) {
      for (T& v : image.view<T>().channel()) v = static_cast<T>(random.below(3));
    });

  MemoryRunOptions options;
  if (random.below(3) == 0) options.mask = std::make_shared<const Array>(testing::random_mask(domain, seed));
  options.block_shape = {length(), length(), length()};
  if (random.below(3) == 0) options.guillotine_seed = seed;
  options.order_seed = seed;

  testing::ParamTexts params{{"connectivity", std::to_string(connectivity)}, {"foreground", rule}};
  if (rule != "labels") params.emplace_back("threshold", std::to_string(foreground.threshold));
  const auto found = run_in_memory(testing::make_program(components_stage(), params),
                                   {{"input", MemoryValue::image(image.clone())}}, options);
  const Array expected =
      testing::naive_components(as_labels(image, options.mask.get(), foreground), connectivity);
  ASSERT_TRUE(testing::same_voxels(expected, found.at("components").voxels()))
      << "seed " << seed << ", domain " << to_string(domain) << ", blocks " << to_string(options.block_shape)
      << ", " << rule << " " << foreground.threshold << ", connectivity " << connectivity << ", "
      << name_of(type);
}

TEST(Components, EqualTheDefinitionOnThousandsOfSmallVolumes) {
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    compare_with_definition(seed, 8);
    if (HasFatalFailure()) return;
  }
}

TEST(Components, EqualTheDefinitionOnLargerVolumes) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    compare_with_definition(1000000 + seed, 48);
    if (HasFatalFailure()) return;
  }
}

TEST(Components, PassTheStageKit) {
  EXPECT_TRUE(testing::check_stage_type(components_stage(), {}));
  EXPECT_TRUE(testing::check_stage_type(components_stage(), {.params = {{"connectivity", "18"}}}));
  EXPECT_TRUE(testing::check_stage_type(
      components_stage(),
      {.params = {{"connectivity", "26"}, {"foreground", "above"}, {"threshold", "0.5"}}}));
}

TEST(Components, ThresholdsAreExactForEveryInteger) {
  const auto least = [](Foreground::Rule rule, double t) {
    return components::least_foreground<std::uint64_t>({rule, t});
  };
  using enum Foreground::Rule;
  EXPECT_EQ(least(above, 0), 1U);
  EXPECT_EQ(least(at_least, 0), 0U);
  EXPECT_EQ(least(above, -5.5), 0U);
  EXPECT_EQ(least(above, 2.5), 3U);
  EXPECT_EQ(least(at_least, 2.5), 3U);
  EXPECT_EQ(least(above, 9007199254740992.0), 9007199254740993U);  // 2^53 + 1 is no double
  EXPECT_EQ(least(at_least, 18446744073709551616.0), std::nullopt);
  EXPECT_EQ(components::least_foreground<std::int8_t>({above, 127}), std::nullopt);
  EXPECT_EQ(components::least_foreground<std::int8_t>({above, -200}), std::int8_t{-128});
  EXPECT_EQ(components::least_foreground<std::int8_t>({above, -1}), std::int8_t{0});
  EXPECT_EQ(components::least_foreground<std::uint8_t>({at_least, 255}), std::uint8_t{255});
}

TEST(Components, RefuseWhatHasNoMeaning) {
  const Box domain = Box::from({0, 0, 0}, {4, 4, 4});
  LabelArray fragments{Array{DType::u32, domain}, {}};
  EXPECT_THROW(components::fragments_of(Array{DType::f32, domain}, std::nullopt, {}, 6, fragments), Error);
  EXPECT_THROW(components::fragments_of(Array{DType::u8, domain}, std::nullopt, {}, 8, fragments), Error);
  EXPECT_THROW(components::fragments_of(Array{DType::u8, domain, 2}, std::nullopt, {}, 6, fragments), Error);
  EXPECT_THROW(testing::make_program(components_stage(), {{"threshold", "3"}}), Error);
  EXPECT_THROW(testing::make_program(components_stage(), {{"connectivity", "8"}}), Error);
}

}  // namespace
}  // namespace petavox
