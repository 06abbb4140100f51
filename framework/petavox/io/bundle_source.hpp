#pragma once
// Where a bundle's bytes come from, and the checks on everything that is read. Internal to the bundle reader.

#include "petavox/io/bundle_directory.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace petavox::detail {

struct BundleSource {
  /// use(number of the chunk in its section, its bytes).
  using Use = std::function<void(std::size_t, std::span<const std::byte>)>;
  using Unpack = std::function<Bytes(std::size_t, std::span<const std::byte>)>;

  BundleReader::Read read;
  std::uint64_t length_bytes = 0, key = 0;
  std::string name;
  Location location;  ///< of the bundle in its pack, for the cache
  std::shared_ptr<ChunkCache> cache;

  /// Throws CorruptObject.
  [[noreturn]] void corrupt(const std::string& where, const std::string& problem) const;
  /// Reads a range of the bundle.
  void read_range(std::uint64_t offset, std::span<std::byte> into) const;
  /// Reads the chunks (ascending) in as few and large pieces as possible, checks them, and uses them packed.
  void fetch(const BundlePart& part, const Section& section, std::span<const std::size_t> chunks,
             const Use& use) const;
  /// The same with unpacked chunks, through the cache.
  void fetch_unpacked(const BundlePart& part, const Section& section, std::vector<std::size_t> chunks,
                      const Unpack& unpack, const Use& use) const;
  /// All chunks of a section.
  void fetch_all(const BundlePart& part, const Section& section, const Use& use) const;
  /// The columns of a table, row group by row group: use(group, column, bytes).
  void for_each_column(const BundlePart& part,
                       const std::function<void(std::size_t, std::size_t, const Bytes&)>& use) const;

  /// Throws Error{contract} unless the part exists and is of that kind.
  const BundlePart& part_of(const BundleDirectory& directory, std::uint32_t number, PartKind kind) const;
  /// Throws Error{contract} unless `region` of the part can be read into the array.
  void check_region(const BundlePart& part, const Array& into, const Box& region) const;

 private:
  [[noreturn]] void corrupt_chunk(const BundlePart& part, const Section& section, std::size_t chunk,
                                  const std::string& problem) const;
  void check(const BundlePart& part, const Section& section, std::size_t chunk,
             std::span<const std::byte> packed) const;
};

}  // namespace petavox::detail
