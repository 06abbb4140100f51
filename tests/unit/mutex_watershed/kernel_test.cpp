#include "stages/mutex_watershed/kernel.hpp"

#include "petavox/testing/stage_kit.hpp"

#include "unit/mutex_watershed/naive_mutex_watershed.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using mutex_watershed::Graph;
using testing::Random;

LabelArray segmented(const Array& affinities, const std::optional<Array>& mask, const Graph& graph,
                     std::size_t edges_at_once = 0) {
  LabelArray labels{Array{DType::u32, affinities.box(), affinities.domain()}, {7, 7}};
  for (auto& byte : labels.ids.bytes()) byte = std::byte{0x5a};
  mutex_watershed::Work work{edges_at_once, 0};
  mutex_watershed::segment(affinities, mask, graph, labels, work);
  return labels;
}

/// One random window of a larger domain against the definition, with room for few or all edges.
void compare_with_definition(std::uint64_t seed, Index max_length) {
  Random random{seed};
  const auto length = [&] {
    return 1 + static_cast<Index>(random.below(static_cast<std::uint64_t>(max_length)));
  };
  const auto corner = [&] { return static_cast<Index>(random.below(40)) - 20; };
  const Box window = Box::from({corner(), corner(), corner()}, {length(), length(), length()});
  const auto margin = [&] { return static_cast<Index>(random.below(4)); };
  const Box domain = window.grow({{margin(), margin(), margin()}, {margin(), margin(), margin()}});
  const DType type = random.below(3) == 0 ? DType::u16 : DType::u8;
  const Graph graph = oracle::random_graph(random, type, random.below(3) == 0);
  const auto texture = static_cast<testing::Texture>(random.below(testing::num_textures));
  const Array whole =
      testing::random_image(type, domain, static_cast<int>(graph.offsets.size()), texture, seed);
  Array affinities{type, window, domain, whole.channels()};
  copy_box(whole, affinities, window);
  std::optional<Array> mask;
  if (random.below(3) == 0) mask = testing::random_mask(window, seed);

  const Array expected = oracle::naive_mutex_watershed(affinities, mask ? &*mask : nullptr, graph);
  const std::size_t rooms[] = {0, 1, 7, 60};
  const std::size_t room = rooms[random.below(4)];
  ASSERT_TRUE(testing::same_voxels(expected, expanded(segmented(affinities, mask, graph, room))))
      << "seed " << seed << ", window " << to_string(window) << ", texture " << static_cast<int>(texture)
      << ", channels " << graph.offsets.size() << ", attractive " << graph.num_attractive << ", room " << room
      << (mask ? ", masked" : "");
}

TEST(MutexWatershed, EqualsTheDefinitionOnThousandsOfSmallVolumes) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    compare_with_definition(seed, 6);
    if (HasFatalFailure()) return;
  }
}

TEST(MutexWatershed, EqualsTheDefinitionOnLargerVolumes) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    compare_with_definition(1000000 + seed, 20);
    if (HasFatalFailure()) return;
  }
}

Array constant(DType type, const Box& domain, int channels, int value) {
  Array array{type, domain, channels};
  const auto set = [&]<class T>(std::type_identity<T>) {
    for (int c = 0; c < channels; ++c)
      for (T& a : array.view<T>().channel(c)) a = static_cast<T>(value);
  };
  if (type == DType::u8)
    set(std::type_identity<std::uint8_t>{});
  else
    set(std::type_identity<std::uint16_t>{});
  return array;
}

Graph graph_of_four() { return {{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}, {0, 0, -3}}, 3, {1, 1, 1}, 0, 0}; }

TEST(MutexWatershed, ExtremeAffinities) {
  const Box domain = Box::from({0, 0, 0}, {5, 6, 7});
  // All one: nothing repels before everything is joined.
  EXPECT_EQ(segmented(constant(DType::u8, domain, 4, 255), {}, graph_of_four()).names.size(), 1U);
  // All zero: what is three apart on x is kept apart, then all else joins at weight 0.
  const auto cut = segmented(constant(DType::u8, domain, 4, 0), {}, graph_of_four());
  EXPECT_EQ(cut.names.size(), 3U);
  // Without repulsive edges there is nothing to keep voxels apart, and with a threshold nothing to join them.
  Graph attractive{{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}, 3, {1, 1, 1}, 0, 0};
  EXPECT_EQ(segmented(constant(DType::u16, domain, 3, 0), {}, attractive).names.size(), 1U);
  attractive.threshold = 1;
  EXPECT_EQ(segmented(constant(DType::u16, domain, 3, 0), {}, attractive).names.size(), 210U);
}

TEST(MutexWatershed, ThinAndPrimeWindows) {
  for (const Extent shape :
       {Extent{1, 1, 1}, Extent{1, 1, 4099}, Extent{1, 97, 1}, Extent{61, 1, 1}, Extent{1, 53, 59}}) {
    const Box domain = Box::from({-3, 2, 5}, shape);
    const Array affinities = testing::random_image(DType::u8, domain, 4, testing::Texture::few_values, 3);
    const auto labels = segmented(affinities, {}, graph_of_four());
    EXPECT_EQ(segmented(affinities, {}, graph_of_four(), 5).names, labels.names);
    for (const std::uint32_t id : labels.ids.view<std::uint32_t>().channel()) {
      ASSERT_GE(id, 1U);
      ASSERT_LE(id, labels.names.size());
    }
  }
}

TEST(MutexWatershed, AMaskWithNothingInsideLeavesNothing) {
  const Box domain = Box::from({0, 0, 0}, {4, 4, 20});
  std::optional<Array> mask{Array{DType::u8, domain}};
  const auto labels = segmented(constant(DType::u8, domain, 4, 200), mask, graph_of_four());
  EXPECT_TRUE(labels.names.empty());
  for (const std::uint32_t id : labels.ids.view<std::uint32_t>().channel()) EXPECT_EQ(id, 0U);
}

/// A segment beside very many others: time must not grow with the square of their number.
TEST(MutexWatershed, AnObjectThatExcludesHundredThousandOthers) {
  // y = 0 is one object; each voxel of y = 2 is kept apart from it and joined with nothing.
  const Index length = 200000;
  const Box domain = Box::from({0, 0, 0}, {1, 3, length});
  Graph graph{{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}, {0, -2, 0}}, 3, {1, 1, 1}, 1, 0};
  Array affinities = constant(DType::u8, domain, 4, 0);
  for (std::uint8_t& a : affinities.view<std::uint8_t>().row(0, 0, 2)) a = 200;
  const auto labels = segmented(affinities, {}, graph);
  EXPECT_EQ(labels.names.size(), 1U + 2 * static_cast<std::size_t>(length));
}

TEST(MutexWatershed, RemovesSmallLabels) {
  const Box domain = Box::from({0, 0, 0}, {1, 1, 6});
  LabelArray labels{Array{DType::u32, domain}, {1, 2, 4}};
  const std::uint32_t ids[] = {1, 2, 2, 3, 3, 3};
  std::copy(std::begin(ids), std::end(ids), labels.ids.view<std::uint32_t>().channel().begin());
  mutex_watershed::remove_small(labels, 2);
  EXPECT_EQ(labels.names, (std::vector<Name>{2, 4}));
  const auto found = labels.ids.view<std::uint32_t>().channel();
  EXPECT_EQ(std::vector<std::uint32_t>(found.begin(), found.end()),
            (std::vector<std::uint32_t>{0, 1, 1, 2, 2, 2}));
}

TEST(MutexWatershed, RefusesWhatItCannotRead) {
  const Box domain = Box::from({0, 0, 0}, {4, 4, 4});
  const auto text_of = [&](const Array& affinities, const std::optional<Array>& mask) -> std::string {
    try {
      segmented(affinities, mask, graph_of_four());
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(text_of(Array{DType::u8, domain, 3}, {}).find("3 channels for 4 offsets"), std::string::npos);
  EXPECT_NE(text_of(Array{DType::f32, domain, 4}, {}).find("quantise"), std::string::npos);
  EXPECT_NE(text_of(Array{DType::u8, domain, 4}, Array{DType::u8, Box::from({0, 0, 0}, {1, 1, 1})})
                .find("labels and mask"),
            std::string::npos);
}

}  // namespace
}  // namespace petavox
