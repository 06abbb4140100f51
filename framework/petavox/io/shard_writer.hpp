#pragma once
// Writing final volumes: shards, the virtual dataset on top of them, and their merge into one file.
// A shard is an HDF5 file of its own, written by one task: chunks are compressed outside HDF5 and stored with
// their checksums. Equal content gives byte-equal files, whoever wrote them and when. Thread safety: shards
// may be written from several threads and processes at once.

#include "petavox/io/shard_layout.hpp"
#include "petavox/volume/digest.hpp"

#include <filesystem>
#include <vector>

namespace petavox {

struct ShardResult {
  ShardRecord record;
  DigestSum digest;  ///< the shard's part of the volume's digest
};

/// Writes shard number `shard` from `source`, which must have the spec's domain, type and channels, and
/// publishes it in `directory` (which exists) under the name of this attempt, durably. An existing file is
/// never replaced: if one of that name is there, throws Error{io}. Nothing is left behind on an error. Holds
/// shard_write_bytes() at a time. Throws Error{io}, Error{resource}
/// (retryable where the disk is full), and whatever source.read() throws.
ShardResult write_shard(const ShardSpec& spec, Index shard, const Volume& source,
                        const std::filesystem::path& directory, std::uint64_t generation,
                        std::uint64_t attempt);

/// Writes `file`, whose dataset shows all shards as one array to any HDF5 reader (a virtual dataset), with
/// attributes voxel_size_nm, resolution, axes and offset. `directory` must lie beneath the file's own
/// directory. Replaces an earlier file atomically. Throws Error{config} if shards are missing or given twice,
/// Error{io} if a file is missing.
void write_virtual_dataset(const std::filesystem::path& file, const std::string& dataset,
                           const ShardSpec& spec, const std::filesystem::path& directory,
                           const std::vector<ShardRecord>& records);

/// Copies all chunks, compressed as they are, into one file; each is checked against its checksum on the way.
/// Never over an existing file unless `overwrite`. Throws Error{io}. Returns the bytes written.
std::uint64_t merge_shards(const ShardSpec& spec, const std::filesystem::path& directory,
                           const std::vector<ShardRecord>& records, const std::filesystem::path& file,
                           const std::string& dataset, bool overwrite = false);

}  // namespace petavox
