#include "stages/network/winograd.hpp"

#include "petavox/base/check.hpp"

#include "stages/network/winograd_kernels.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace petavox::network {
namespace {

using namespace winograd;

constexpr Index taps = 27;

// The filter at the points 0, 1, -1, infinity, and at 0, 1, -1, 1/2, -2, infinity; scaled as
// winograd_simd.cpp expects.
constexpr std::array<std::array<double, 3>, patch_z> filter4{
    {{-1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}}};
constexpr std::array<std::array<double, 3>, patch_x> filter6{{{1, 0, 0},
                                                              {1.0 / 3, 1.0 / 3, 1.0 / 3},
                                                              {-1.0 / 3, 1.0 / 3, -1.0 / 3},
                                                              {-16.0 / 15, -8.0 / 15, -4.0 / 15},
                                                              {1.0 / 15, -2.0 / 15, 4.0 / 15},
                                                              {0, 0, 1}}};

double at_point(const float* filter, int z, int y, int x) {
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 3; ++k)
        sum += filter4[static_cast<std::size_t>(z)][i] * filter6[static_cast<std::size_t>(y)][j] *
               filter6[static_cast<std::size_t>(x)][k] * static_cast<double>(filter[(i * 3 + j) * 3 + k]);
  return sum;
}

/// Floats from one point to the next: one cache line more than the data, so that points do not fall onto the
/// same lines of the cache.
std::size_t value_stride(int tiles, int channels) {
  return static_cast<std::size_t>(tiles) * static_cast<std::size_t>(channels) + unit;
}

/// Tiles that are computed together: what they work in should fit into a second-level cache of 512 KiB beside
/// weights.
int tiles_together(int channels, int multiple) {
  const int most = 400 * 1024 / (points * static_cast<int>(sizeof(float)) * (channels + unit));
  return std::max(multiple, most / multiple * multiple);
}

const Kernels& chosen(Instructions instructions) {
  const Kernels* const found = kernels(instructions);
  PETAVOX_ASSERT(found != nullptr);
  return *found;
}

}  // namespace

float* aligned_to_line(float* address) {
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  return address + (cache_line - value % cache_line) % cache_line / sizeof(float);
}

bool winograd_available(Instructions instructions) { return kernels(instructions) != nullptr; }

WinogradConv::WinogradConv(Instructions instructions, int in_channels, int out_channels, int group,
                           std::span<const float> weights, std::span<const float> bias)
    : kernels_{chosen(instructions)},
      in_channels_{in_channels},
      out_channels_{out_channels},
      group_{group},
      tiles_{tiles_together(in_channels, kernels_.rows)},
      bias_{bias.begin(), bias.end()} {
  PETAVOX_ASSERT(group % kernels_.lanes == 0 && in_channels % unit == 0 && out_channels % unit == 0);
  const auto in = static_cast<std::size_t>(in_channels), out = static_cast<std::size_t>(out_channels);
  PETAVOX_ASSERT(weights.size() == in * out * taps && bias.size() == out);
  storage_.resize(points * in * out + unit);
  weights_ = aligned_to_line(storage_.data());
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t c = 0; c < in; ++c) {
      float* to = weights_ + (o / unit * points * in + c) * unit + o % unit;
      for (int z = 0; z < patch_z; ++z)
        for (int y = 0; y < patch_y; ++y)
          for (int x = 0; x < patch_x; ++x, to += in * unit)
            *to = static_cast<float>(at_point(weights.data() + (o * in + c) * taps, z, y, x));
    }
}

double WinogradConv::weight_bytes(int in_channels, int out_channels) {
  return 4.0 * points * in_channels * out_channels;
}

std::size_t WinogradConv::scratch_floats() const {
  return points * (value_stride(tiles_, in_channels_) + value_stride(tiles_, unit));
}

double WinogradConv::scratch_bytes(int in_channels) {
  constexpr int most_rows = 12;
  const int tiles = tiles_together(in_channels, most_rows);
  return 4.0 * points * static_cast<double>(value_stride(tiles + most_rows, in_channels + unit) + unit);
}

void WinogradConv::run(Extent window, const float* in, float* out, bool add, bool relu, int threads,
                       float* scratch) const {
  const Extent tiles{ceil_div(window.z, Index{tile_z}), ceil_div(window.y, Index{tile_y}),
                     ceil_div(window.x, Index{tile_x})};
  const Extent strides{window.y * window.x * group_, window.x * group_, group_};
  const std::ptrdiff_t group_stride = window.voxels() * group_;
  const std::size_t from_value = value_stride(tiles_, in_channels_),
                    from_product = value_stride(tiles_, unit);
  const auto place = [&](Index tile) {
    return Coord{tile / (tiles.y * tiles.x) * tile_z, tile / tiles.x % tiles.y * tile_y,
                 tile % tiles.x * tile_x};
  };

  const auto fill = [&](Index tile, float* values) {
    const Coord begin = place(tile) - Extent{1, 1, 1};
    Patch patch{{},
                strides.y,
                strides.x,
                static_cast<int>(std::max<Index>(0, -begin.y)),
                static_cast<int>(std::min<Index>(patch_y, window.y - begin.y)),
                static_cast<int>(std::max<Index>(0, -begin.x)),
                static_cast<int>(std::min<Index>(patch_x, window.x - begin.x))};
    for (int g = 0; g < in_channels_ / group_; ++g, values += group_) {
      const float* const first = in + g * group_stride + begin.y * strides.y + begin.x * strides.x;
      for (Index z = 0; z < patch_z; ++z) {
        const Index plane = begin.z + z;
        patch.planes[z] = plane >= 0 && plane < window.z ? first + plane * strides.z : nullptr;
      }
      kernels_.transform_input(patch, group_, values, from_value);
    }
  };

  const auto work = [&](Index block, float* values) {
    float* const product = values + points * from_value;
    const Index begin = block * tiles_, end = std::min(tiles.voxels(), begin + tiles_);
    for (Index tile = begin; tile < end; ++tile) fill(tile, values + (tile - begin) * in_channels_);
    const int computed = static_cast<int>(ceil_div(end - begin, Index{kernels_.rows})) * kernels_.rows;
    for (int o = 0; o < out_channels_; o += unit) {
      kernels_.multiply(values, from_value, weights_ + static_cast<std::ptrdiff_t>(o) * points * in_channels_,
                        in_channels_, computed, product, from_product);
      for (Index tile = begin; tile < end; ++tile) {
        const Coord p = place(tile);
        const auto exist = [](Index size, Index from, int most) {
          return static_cast<int>(std::min<Index>(most, size - from));
        };
        kernels_.transform_output(
            product + (tile - begin) * unit, from_product,
            {out + o / group_ * group_stride + p.z * strides.z + p.y * strides.y + p.x * strides.x, strides.z,
             strides.y, strides.x, group_stride, group_, exist(window.z, p.z, tile_z),
             exist(window.y, p.y, tile_y), exist(window.x, p.x, tile_x), bias_.data() + o, add, relu});
      }
    }
  };

  const Index blocks = ceil_div(tiles.voxels(), Index{tiles_});
  const auto floats = static_cast<std::ptrdiff_t>(scratch_floats());
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
  for (Index thread = 0; thread < threads; ++thread)
    for (Index block = thread; block < blocks; block += threads) work(block, scratch + thread * floats);
}

}  // namespace petavox::network
