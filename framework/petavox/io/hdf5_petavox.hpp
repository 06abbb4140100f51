#pragma once
// What petavox writes beside the voxels of shards and of the virtual datasets over them: attributes that say
// which volume this is. docs/formats.md lists them. Internal to petavox/io.

#include "petavox/io/hdf5_dataset.hpp"
#include "petavox/io/shard_layout.hpp"

#include <optional>

namespace petavox::hdf5 {

inline constexpr std::int64_t shard_format = 1;
/// The table of checksums in a shard, beside its voxels: uint64, one for each chunk, in raster order of
/// c,z,y,x.
inline constexpr const char* checksum_table = "petavox_checksums";

/// Attributes that other programs know: voxel_size_nm, resolution (nm, z,y,x), axes, offset (nm; where voxel
/// `begin` lies).
void write_public_attributes(hid_t dataset, const VoxelSizeNm& voxel_size_nm, int channels, Coord begin);
/// Attributes of a shard (`shard` is its number) or, without a number, of the virtual dataset over `records`.
void write_shard_attributes(hid_t dataset, const ShardSpec& spec, Index shard);
void write_shard_attributes(hid_t dataset, const ShardSpec& spec, const std::vector<ShardRecord>& records);

/// The set that a dataset describes: one record for a shard, all for a virtual dataset. Nothing if it was not
/// made by petavox. Throws Error{io} if the attributes contradict the dataset.
std::optional<ShardSet> shard_set_of(const Dataset& dataset);

/// Key of the checksum of chunk `chunk`, or with chunk = -1 of the table of all.
std::uint64_t chunk_key(const Hash128& fingerprint, Index shard, Index chunk);

}  // namespace petavox::hdf5
