#pragma once
// manifest.json: what a finished run has made, for people and for programs of any kind. Written in one piece
// when everything in it is durable.

#include "petavox/base/hash.hpp"
#include "petavox/geometry/box.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/volume/volume.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace petavox {

/// One file of a volume.
struct ManifestShard {
  std::string file;  ///< relative to the run directory
  Box box;           ///< the voxels in it
  std::uint64_t size_bytes = 0;
  Hash128 checksum;  ///< XXH3-128 of the file
};

struct ManifestVolume {
  std::string name;
  std::string kind;  ///< "image" or "labels"
  DType dtype = DType::u8;
  int channels = 1;
  Box domain;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  std::string file;     ///< what to open: the virtual dataset over the shards; empty if there is none
  std::string dataset;  ///< in `file` and in each shard
  std::vector<ManifestShard> shards;
  Hash128 digest;
};

/// A table or summary.
struct ManifestTable {
  std::string name;
  std::string file;
  std::uint64_t num_rows = 0, size_bytes = 0;
  Hash128 checksum;
  Hash128 digest;
};

struct Manifest {
  static constexpr int schema_version = 1;
  std::vector<std::pair<std::string, std::string>> provenance;  ///< config, versions, input digests, …
  std::vector<ManifestVolume> volumes;
  std::vector<ManifestTable> tables;
  Hash128 digest;  ///< of the whole run
};

/// Replaces the manifest atomically.
void write_manifest(const OutputRoot& root, const Manifest& manifest,
                    std::string_view name = "manifest.json");

/// Throws Error{io} if it is missing, too large, not JSON, of a newer schema or if a value in it is not what
/// it must be, naming the value.
Manifest read_manifest(const OutputRoot& root, std::string_view name = "manifest.json",
                       std::uint64_t max_bytes = std::uint64_t{256} << 20);

/// The same as text, for tests and tools.
std::string manifest_to_text(const Manifest& manifest);
Manifest manifest_from_text(std::string_view text);

}  // namespace petavox
