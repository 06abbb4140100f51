#pragma once
// The partition-independent digest of a volume: a 128-bit sum, over voxels and channels, of a hash of
// (raster index in the domain, channel, value). -0 and NaN are made canonical. Sums of parts add up to the
// digest of the whole, whatever the parts, their order and their number.

#include "petavox/base/hash.hpp"
#include "petavox/volume/array.hpp"

namespace petavox {

/// A sum of voxel hashes, as two independent sums modulo 2^64.
struct DigestSum {
  std::uint64_t a{}, b{};
  DigestSum& operator+=(const DigestSum& o) {
    a += o.a;
    b += o.b;
    return *this;
  }
  friend constexpr bool operator==(const DigestSum&, const DigestSum&) = default;
};

/// The part of a volume's digest that comes from the voxels of `box` (inside array.box()).
DigestSum digest_part(const Array& array, const Box& box);
inline DigestSum digest_part(const Array& array) { return digest_part(array, array.box()); }

/// Voxels of one channel of a volume, row by row in the order of their box.
struct ChannelVoxels {
  std::span<const std::byte> bytes;
  Box box;  ///< may reach beyond the domain
  int channel = 0;
};

/// The same of one channel, for `box` inside the domain and inside that of the voxels.
DigestSum digest_part(const ChannelVoxels& voxels, const Box& box, DType type, const Box& domain);

/// The digest of a whole volume from the sum over a partition of its domain: covers dtype, channels and
/// domain too.
Hash128 finish_digest(const DigestSum& sum, DType type, int channels, const Box& domain);

}  // namespace petavox
