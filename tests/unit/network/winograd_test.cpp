#include "stages/network/winograd.hpp"

#include "petavox/geometry/box.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace petavox::network {
namespace winograd_cases {

struct Layer3 {
  int in = 16, out = 16;
  Extent window{4, 4, 4};
  bool add = false, relu = false;
  std::uint32_t seed = 1;

  std::vector<float> random(std::size_t count, std::uint32_t number, double scale) const {
    std::mt19937 engine{seed * 16 + number};
    std::vector<float> values(count);
    for (float& v : values)
      v = static_cast<float>((static_cast<double>(engine()) / 2147483648.0 - 1) * scale);
    return values;
  }
  std::size_t voxels() const { return static_cast<std::size_t>(window.voxels()); }
  /// [channel][z][y][x]
  std::vector<float> image() const { return random(static_cast<std::size_t>(in) * voxels(), 1, 2); }
  std::vector<float> before() const { return random(static_cast<std::size_t>(out) * voxels(), 2, 3); }
  std::vector<float> weights() const {
    return random(static_cast<std::size_t>(in * out) * 27, 3, 1 / std::sqrt(9.0 * in));
  }
  std::vector<float> bias() const { return random(static_cast<std::size_t>(out), 4, 1); }
};

/// Channels of [channel][voxel] in groups, and back.
std::vector<float> grouped(const std::vector<float>& plain, std::size_t voxels, std::size_t group) {
  std::vector<float> result(plain.size());
  for (std::size_t c = 0; c < plain.size() / voxels; ++c)
    for (std::size_t v = 0; v < voxels; ++v)
      result[(c / group * voxels + v) * group + c % group] = plain[c * voxels + v];
  return result;
}
std::vector<float> ungrouped(const std::vector<float>& in_groups, std::size_t voxels, std::size_t group) {
  std::vector<float> result(in_groups.size());
  for (std::size_t c = 0; c < in_groups.size() / voxels; ++c)
    for (std::size_t v = 0; v < voxels; ++v)
      result[c * voxels + v] = in_groups[(c / group * voxels + v) * group + c % group];
  return result;
}

/// By the definition, in double precision.
std::vector<double> defined(const Layer3& layer) {
  const auto image = layer.image(), weights = layer.weights(), before = layer.before(), bias = layer.bias();
  const Box window = Box::from({0, 0, 0}, layer.window);
  std::vector<double> result(static_cast<std::size_t>(layer.out) * layer.voxels());
  for (int o = 0; o < layer.out; ++o)
    window.for_each([&](Coord p) {
      const std::size_t at =
          static_cast<std::size_t>(o) * layer.voxels() + static_cast<std::size_t>(window.raster(p));
      double sum = static_cast<double>(bias[static_cast<std::size_t>(o)]);
      if (layer.add) sum += static_cast<double>(before[at]);
      for (int c = 0; c < layer.in; ++c)
        for (Index k = 0; k < 27; ++k) {
          const Coord q{p.z + k / 9 - 1, p.y + k / 3 % 3 - 1, p.x + k % 3 - 1};
          if (!window.contains(q)) continue;
          sum += static_cast<double>(weights[static_cast<std::size_t>((o * layer.in + c) * 27 + k)]) *
                 static_cast<double>(image[static_cast<std::size_t>(c) * layer.voxels() +
                                           static_cast<std::size_t>(window.raster(q))]);
        }
      result[at] = layer.relu ? std::max(0.0, sum) : sum;
    });
  return result;
}

std::vector<float> computed(const Layer3& layer, Instructions instructions, int group, int threads) {
  const WinogradConv conv{instructions, layer.in, layer.out, group, layer.weights(), layer.bias()};
  const auto size = static_cast<std::size_t>(group);
  const auto image = grouped(layer.image(), layer.voxels(), size);
  auto result = grouped(layer.before(), layer.voxels(), size);
  std::vector<float> scratch(
      conv.scratch_floats() * static_cast<std::size_t>(threads) + cache_line / sizeof(float), std::nanf(""));
  EXPECT_LE(static_cast<double>(conv.scratch_floats() * sizeof(float)),
            WinogradConv::scratch_bytes(layer.in));
  conv.run(layer.window, image.data(), result.data(), layer.add, layer.relu, threads,
           aligned_to_line(scratch.data()));
  return ungrouped(result, layer.voxels(), size);
}

std::vector<Instructions> available() {
  std::vector<Instructions> found;
  for (const Instructions i : {Instructions::avx2, Instructions::avx512})
    if (winograd_available(i)) found.push_back(i);
  return found;
}

class Winograd : public testing::Test {
  void SetUp() override {
    if (available().empty()) GTEST_SKIP() << "this machine has neither AVX2 nor AVX-512";
  }
};

TEST_F(Winograd, EqualsTheDefinition) {
  std::uint32_t seed = 0;
  for (const Extent window : {Extent{1, 1, 1}, Extent{2, 4, 4}, Extent{1, 9, 2}, Extent{3, 5, 7},
                              Extent{8, 8, 8}, Extent{9, 13, 18}})
    for (const auto& [in, out] : {std::pair{16, 16}, std::pair{32, 48}, std::pair{96, 16}}) {
      const Layer3 layer{in, out, window, seed % 2 == 1, seed % 4 >= 2, ++seed};
      const auto expected = defined(layer);
      double largest = 0;
      for (const double v : expected) largest = std::max(largest, std::abs(v));
      for (const Instructions instructions : available()) {
        const auto found = computed(layer, instructions, 16, 1);
        for (std::size_t i = 0; i < found.size(); ++i)
          ASSERT_NEAR(static_cast<double>(found[i]), expected[i], 4e-6 * largest)
              << i << " of layer " << seed;
      }
    }
}

TEST_F(Winograd, BitsDependOnValuesAlone) {
  const Layer3 layer{32, 32, {11, 14, 17}, true, true, 7};
  const auto expected = computed(layer, available().front(), 16, 1);
  for (const Instructions instructions : available())
    for (const int threads : {1, 2, 5}) {
      EXPECT_EQ(computed(layer, instructions, 16, threads), expected) << threads << " threads";
      if (instructions == Instructions::avx2) {
        EXPECT_EQ(computed(layer, instructions, 8, threads), expected);
      }
    }
}

/// A voxel and all that it depends on, moved by whole tiles, give the same bits.
TEST_F(Winograd, MovedByTilesTheBitsAreTheSame) {
  Layer3 layer{16, 16, {12, 24, 24}, false, false, 9};
  const auto all = computed(layer, available().front(), 16, 1);
  const Box window = Box::from({0, 0, 0}, layer.window);
  const Box inner{{4, 8, 8}, {8, 16, 16}};
  const auto image = layer.image();
  std::vector<float> moved(image.size());
  const Extent by{2, 4, 4};
  for (std::size_t c = 0; c < 16; ++c)
    window.for_each([&](Coord p) {
      const Coord from{(p.z + by.z) % 12, (p.y + by.y) % 24, (p.x + by.x) % 24};
      moved[c * layer.voxels() + static_cast<std::size_t>(window.raster(p))] =
          image[c * layer.voxels() + static_cast<std::size_t>(window.raster(from))];
    });
  const WinogradConv conv{available().front(), 16, 16, 16, layer.weights(), layer.bias()};
  std::vector<float> scratch(conv.scratch_floats() + 16), result(moved.size());
  conv.run(layer.window, grouped(moved, layer.voxels(), 16).data(), result.data(), false, false, 1,
           aligned_to_line(scratch.data()));
  const auto there = ungrouped(result, layer.voxels(), 16);
  for (std::size_t c = 0; c < 16; ++c)
    inner.for_each([&](Coord p) {
      ASSERT_EQ(there[c * layer.voxels() + static_cast<std::size_t>(window.raster(p - by))],
                all[c * layer.voxels() + static_cast<std::size_t>(window.raster(p))]);
    });
}

}  // namespace winograd_cases
}  // namespace petavox::network
