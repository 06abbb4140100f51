#pragma once
// A small volume in shards, for the tests of writing and reading them.

#include "petavox/io/shard_set.hpp"
#include "petavox/io/shard_writer.hpp"

#include "scratch.hpp"

namespace petavox::test {

/// Odd and negative corners; no multiple of a chunk.
inline const Box domain{{-3, 5, 100}, {47, 58, 151}};  // 50 x 53 x 51

inline ShardSpec spec_of(const MemoryVolume& volume, Extent shard = {32, 32, 64}, Extent chunk = {16, 16, 32},
                         const Hdf5Codec& codec = {}) {
  ShardSpec spec;
  spec.layout = make_shard_layout(volume.domain(), shard, chunk, volume.dtype());
  spec.dtype = volume.dtype();
  spec.channels = volume.channels();
  spec.voxel_size_nm = volume.voxel_size_nm();
  spec.codec = codec;
  spec.fingerprint = {17, 42};
  return spec;
}

inline std::vector<ShardRecord> write_all(const ShardSpec& spec, const Volume& volume,
                                          const std::filesystem::path& directory, std::uint64_t attempt = 0) {
  std::filesystem::create_directories(directory);
  std::vector<ShardRecord> records;
  for (Index i = 0; i < spec.layout.shards().count(); ++i)
    records.push_back(write_shard(spec, i, volume, directory, 1, attempt).record);
  return records;
}

inline std::string differs(const Volume& a, const Volume& b) {
  return first_difference(a.read_box(a.domain()), b.read_box(a.domain()));
}

}  // namespace petavox::test
