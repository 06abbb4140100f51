#pragma once
// How a final volume is cut into shards (files, one writer each) and chunks (units of compression): a
// function of the domain, never of the blocks. Both lattices start at the domain's first voxel.
// Values; thread-safe.

#include "petavox/base/hash.hpp"
#include "petavox/geometry/tiling.hpp"
#include "petavox/io/hdf5_codec.hpp"
#include "petavox/volume/volume.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace petavox {

struct ShardLayout {
  Box domain;
  Extent shard_shape;  ///< a multiple of chunk_shape; the last shard of an axis may be smaller
  Extent chunk_shape;

  Tiling shards() const { return {domain, shard_shape}; }
  friend bool operator==(const ShardLayout&, const ShardLayout&) = default;
};

/// Chunks larger than the domain are clipped to it, shards likewise (rounded up to whole chunks). Throws
/// Error{config} if the domain is empty, a length is not positive, or chunks do not divide shards;
/// Error{resource} if a chunk would exceed 2 GiB - 32 or the domain has more than 2^63 voxels.
ShardLayout make_shard_layout(const Box& domain, Extent shard_shape, Extent chunk_shape, DType type);

/// Chunks of 64^3 clipped to the domain; shards of 4x4x4 chunks, doubled along the axis with the most shards
/// until there are at most 512.
ShardLayout default_shard_layout(const Box& domain, DType type);

/// What all shards of a volume agree on.
struct ShardSpec {
  ShardLayout layout;
  DType dtype = DType::u8;
  int channels = 1;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  Hdf5Codec codec;
  /// Of the volume: keys the checksums, so that a shard of another run or volume is not taken for this one's.
  Hash128 fingerprint;
  std::string dataset = "data";  ///< name inside each shard file
};

/// The largest box, a multiple of `chunk` and no larger than `limit` (rounded up to chunks), whose voxels
/// take at most `budget_bytes`; at least one chunk. Grows along x first.
Extent piece_shape(Extent chunk, Extent limit, std::size_t voxel_bytes, std::size_t budget_bytes);

/// The part of a shard that is held decoded while the shard is written: whole chunks, 64 MiB or one chunk.
Extent shard_piece(const ShardSpec& spec);
/// Bytes that writing one shard of the set takes beside what its source needs.
std::size_t shard_write_bytes(const ShardSpec& spec);

/// What makes a file the shard of a volume: kept in the run's records.
struct ShardRecord {
  Index shard = 0;             ///< number in spec.layout.shards()
  std::string file;            ///< name inside the shard directory
  std::uint64_t bytes = 0;     ///< length of the file
  std::uint64_t checksum = 0;  ///< of the table of its chunks, keyed by volume and shard; 0: not known
  Hash128 file_hash;           ///< XXH3-128 of the file, for checking copies
  friend bool operator==(const ShardRecord&, const ShardRecord&) = default;
};

/// A volume on disk: what is needed to read, check and merge it.
struct ShardSet {
  ShardSpec spec;
  std::filesystem::path directory;
  std::vector<ShardRecord> records;
};

/// "z_y_x.<generation>.<attempt>.h5", z,y,x being the shard's position in the lattice.
std::string shard_file_name(Coord position, std::uint64_t generation, std::uint64_t attempt);

}  // namespace petavox
