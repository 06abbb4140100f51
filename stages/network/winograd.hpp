#pragma once
// Convolutions of 3x3x3 by Winograd's minimal filtering: tiles of 2x4x4 voxels (z, y, x) of the result are
// computed with 4x6x6 multiplications for each pair of channels, where the definition needs 27 for every
// voxel, 864 in all: six times fewer. Method: Lavin & Gray, "Fast algorithms for convolutional neural
// networks", 2016; points 0, 1, -1, 1/2, -2 along y and x, whose rounding errors are several times smaller
// than those of 0, +-1, +-2 (Barabasz et al., "Error analysis and improving the accuracy of Winograd
// convolution for deep neural networks", 2020). Bits are a function of the values alone: the same for both
// sets of instructions, any number of threads, wherever a tile lies and however many are computed together.

#include "petavox/geometry/coord.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace petavox::network {

/// Not those of petavox/base/simd.hpp: a network computes with what its library has been allowed.
enum class Instructions { avx2, avx512 };

/// Whether this program has them and this machine can run them.
bool winograd_available(Instructions instructions);

inline constexpr std::size_t cache_line = 64;
/// The first value at or after `address` that begins a line of the cache.
float* aligned_to_line(float* address);

namespace winograd {
struct Kernels;
}

/// One layer: out = relu(conv(in) + bias [+ out]). Activations lie as [channels / group][z][y][x][group],
/// group 8 or 16; outside of the window they are 0.
class WinogradConv {
 public:
  /// Channels are what lies in memory, multiples of 16. weights: out_channels x in_channels x 3 x 3 x 3;
  /// bias: out_channels.
  WinogradConv(Instructions instructions, int in_channels, int out_channels, int group,
               std::span<const float> weights, std::span<const float> bias);

  /// `add`: onto what `out` holds. `scratch`: working memory of scratch_floats() for each of `threads`.
  void run(Extent window, const float* in, float* out, bool add, bool relu, int threads,
           float* scratch) const;

  /// Values that a thread works in, aligned to 64 bytes.
  std::size_t scratch_floats() const;

  /// Bytes of the transformed weights.
  static double weight_bytes(int in_channels, int out_channels);

  /// Bytes of scratch for each thread, at most.
  static double scratch_bytes(int in_channels);

 private:
  const winograd::Kernels& kernels_;
  int in_channels_, out_channels_, group_;
  int tiles_;  ///< computed together
  std::vector<float> storage_;
  float* weights_;  ///< [out / 16][point][in][16], aligned to 64 bytes
  std::vector<float> bias_;
};

}  // namespace petavox::network
