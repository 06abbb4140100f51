#pragma once
// Append-only pack files, "packs/<generation>.<writer>.pack": the bundles of all tasks that one writer of one
// launch finished. Files scale with writers, not with blocks. An object is named by its Location, which is
// never used again; only a journal record makes it the result of a task.

#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/output_root.hpp"

#include <compare>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace petavox {

struct Location {
  std::uint32_t generation = 0, writer = 0;  ///< the pack
  std::uint64_t offset = 0, length = 0;      ///< in bytes
  std::uint64_t checksum = 0;                ///< XXH3-64 of all bytes
  friend constexpr bool operator==(const Location&, const Location&) = default;
};
static_assert(sizeof(Location) == 32, "stored in journals and messages as it is");

// A writer of a pack is one of the streams of a worker. The results of a step are in streams of their own, so
// that they can be deleted when nobody will read them again.
inline constexpr std::uint32_t max_workers = std::uint32_t{1} << 20, max_streams = std::uint32_t{1} << 12;
constexpr std::uint32_t writer_of(std::uint32_t worker, std::uint32_t stream) {
  return stream * max_workers + worker;
}
constexpr std::uint32_t stream_of(std::uint32_t writer) { return writer / max_workers; }

/// A stream of all workers of a launch.
struct Stream {
  std::uint32_t generation = 0, number = 0;
  friend constexpr auto operator<=>(const Stream&, const Stream&) = default;
};
static_assert(sizeof(Stream) == 8, "stored in journals and messages as it is");
constexpr Stream stream_of(const Location& location) {
  return {location.generation, stream_of(location.writer)};
}

/// "packs/1.4.pack", relative to the output root.
std::string pack_name(std::uint32_t generation, std::uint32_t writer);
/// "packs/1.4.pack at 4096 (120 bytes)".
std::string to_string(const Location& location);
/// Of which stream a file in "packs" is, from its name; nothing for other names.
std::optional<Stream> stream_of_pack(std::string_view name);

/// Not synchronised: one thread writes.
class PackWriter {
 public:
  /// Makes the pack. Throws Error{io} if it exists: a (generation, writer) pair is used once.
  PackWriter(const OutputRoot& root, std::uint32_t generation, std::uint32_t writer);

  /// Writes the object behind the last one; durable only after sync(). A failure for want of space leaves
  /// the pack as it was, and the call may be repeated; any other failure abandons the pack.
  Location append(std::span<const std::byte> object);
  /// Makes all appended objects durable (fdatasync). A failure abandons the pack: what was appended since the
  /// last success must be written anew to another pack.
  void sync();

  /// True once a write or sync failed for good; append() and sync() then throw Error{io}.
  bool abandoned() const { return abandoned_; }
  std::uint32_t generation() const { return generation_; }
  std::uint32_t writer() const { return writer_; }
  std::uint64_t size_bytes() const { return end_; }

 private:
  void check_usable() const;
  File file_;
  std::uint32_t generation_, writer_;
  std::uint64_t end_ = 0;
  bool abandoned_ = false, dirty_ = false;
};

/// Reads ranges of objects from all packs of a run, keeping the files last used open. Thread-safe.
/// A pack that is missing or too short throws CorruptObject: the object can be made again.
class PackReader {
 public:
  explicit PackReader(const OutputRoot& root, std::size_t max_open_files = 64);

  /// Fills `into` from the object's byte `begin` on; not checked against the checksum. Throws CorruptObject
  /// if the range is not in the object or the file.
  void read(const Location& location, std::uint64_t begin, std::span<std::byte> into) const;
  /// The whole object, checked. Throws CorruptObject; Error{resource} above `max_bytes`.
  Bytes read_object(const Location& location, std::uint64_t max_bytes) const;

  /// Closes the packs of a stream, which will be deleted.
  void forget(Stream stream) const;

 private:
  std::shared_ptr<const File> file_of(const Location& location) const;

  using Key = std::uint64_t;  // generation, writer
  struct Entry {
    Key key;
    std::shared_ptr<const File> file;
  };
  OutputRoot root_;
  std::size_t max_open_files_;
  mutable std::mutex mutex_;
  mutable std::list<Entry> recent_;  // most recently used first
  mutable std::unordered_map<Key, std::list<Entry>::iterator> entries_;
};

}  // namespace petavox
