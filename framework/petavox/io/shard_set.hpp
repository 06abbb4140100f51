#pragma once
// Reading a final volume from its shards.
// Promises: every chunk is checked against its checksum, which is keyed by volume, shard and chunk: a
// missing, damaged, stale or swapped shard is an error naming it and the box, never a fill value. Thread
// safety: may be read from any thread; no lock is held while bytes are read and decoded.

#include "petavox/io/shard_layout.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace petavox {

class ShardSetVolume final : public Volume {
 public:
  /// Shard files are opened when they are first needed. Shards without a record may be absent as long as no
  /// read touches them. Throws Error{config} if two records name the same shard or one names none of the
  /// layout's.
  ShardSetVolume(const ShardSpec& spec, std::filesystem::path directory,
                 const std::vector<ShardRecord>& records, std::size_t cache_bytes = std::size_t{64} << 20);
  ~ShardSetVolume() override;

  Box domain() const override;
  DType dtype() const override;
  int channels() const override;
  VoxelSizeNm voxel_size_nm() const override;
  void read(Array& into) const override;

  /// Reads and checks every chunk of a shard without decoding it. Throws Error{io} as read() does.
  void verify(Index shard) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The shard set behind a dataset that write_virtual_dataset() made, or the shard itself as a set with one
/// record; nothing for any other dataset. Throws as open_hdf5_volume(). `bytes` and `file_hash` of the
/// records are not known.
std::optional<ShardSet> find_shard_set(const std::filesystem::path& file, const std::string& dataset);

}  // namespace petavox
