#pragma once
// One shard opened for reading: where its chunks lie and what their checksums are. Bytes are then read
// without the HDF5 library and its lock. Internal to petavox/io. Thread safety: all functions but the
// constructor may be called from any thread.

#include "petavox/io/file.hpp"
#include "petavox/io/hdf5_filters.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/io/shard_layout.hpp"

#include <string>
#include <vector>

namespace petavox::hdf5 {

class ShardFile {
 public:
  /// Reads and checks the header. Throws CorruptObject if the file is missing, damaged or not the shard of
  /// the record; Error{resource} if descriptors or memory are short.
  ShardFile(const OutputRoot& root, const ShardSpec& spec, const ShardRecord& record);

  const Box& core() const { return core_; }
  /// Chunks of one channel; their boxes may reach beyond the core.
  const Tiling& tiling() const { return tiling_; }
  Index num_chunks() const { return static_cast<Index>(chunks_.size()); }
  Index chunk_number(int channel, Coord position) const {
    return static_cast<Index>(channel) * tiling_.count() + tiling_.block_at(position);
  }
  /// The whole box of a chunk.
  Box chunk_box(Coord position) const;

  /// Whether stored chunks may be copied into a dataset with this codec.
  bool encoded_as(const Hdf5Codec& codec) const;
  /// The bytes as stored, checked. Throws CorruptObject.
  Bytes read_stored(Index chunk) const;
  /// The voxels of the whole chunk. Throws CorruptObject.
  Bytes read(Index chunk) const;

 private:
  struct StoredChunk {
    std::uint64_t offset = 0, size = 0, checksum = 0;
    unsigned mask = 0;
  };
  void read_header(const OutputRoot& root, const ShardSpec& spec, const ShardRecord& record);
  std::string describe(Index chunk) const;

  File file_;
  std::string name_;
  Box core_;
  Tiling tiling_;
  Extent chunk_shape_;
  Hash128 fingerprint_;
  Index shard_ = 0;
  std::size_t chunk_bytes_ = 0, type_size_ = 1;
  std::vector<FilterStep> filters_;
  std::vector<StoredChunk> chunks_;
};

/// Checksum of the table of a shard's chunk checksums: ShardRecord::checksum.
std::uint64_t table_checksum(const Hash128& fingerprint, Index shard,
                             const std::vector<std::uint64_t>& table);

}  // namespace petavox::hdf5
