#pragma once
// Chunks of local label ids: the ids that occur in the chunk, and for each voxel a number into that list, of
// one byte where 256 are enough. Measured against 32-bit ids under the same codec: a quarter smaller, at
// about the same speed (docs/formats.md).

#include "petavox/base/bytes.hpp"
#include "petavox/io/codec.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace petavox::detail {

/// Keeps its tables from chunk to chunk. Not synchronised.
class LabelChunkPacker {
 public:
  /// `max_id` is the greatest id that will come. Memory: 4 bytes for each possible id, as long as there are
  /// not more than `max_voxels` of them; else chunks are stored as 32-bit ids.
  LabelChunkPacker(std::uint32_t max_id, std::uint64_t max_voxels);
  Bytes pack(std::span<const std::uint32_t> ids, const CodecOptions& codec);

 private:
  static constexpr std::uint32_t unseen = 0xffffffff;
  std::vector<std::uint32_t> place_of_;  // id -> place in palette_
  std::vector<std::uint32_t> palette_, places_;
};

/// A chunk as it is kept in memory: much smaller than its ids.
class LabelChunk {
 public:
  /// Throws Error{io} if the bytes cannot be a chunk of so many voxels.
  static Bytes unpack(std::span<const std::byte> packed, std::size_t voxels);
  /// A view of what unpack() returned.
  explicit LabelChunk(std::span<const std::byte> unpacked);
  /// Ids of the voxels [first, first + into.size()).
  void copy(std::size_t first, std::span<std::uint32_t> into) const;

 private:
  std::uint32_t width_ = 0, num_ids_ = 0;
  const std::byte* palette_ = nullptr;
  const std::byte* places_ = nullptr;
};

}  // namespace petavox::detail
