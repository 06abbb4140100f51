#include "petavox/io/pack.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/hash.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace petavox {
namespace {

constexpr std::array<char, 8> pack_magic{'P', 'V', 'X', 'P', 'A', 'C', 'K', '1'};

/// The first bytes of a pack, for people and tools: objects are found by their locations alone.
struct PackHeader {
  std::array<char, 8> magic;
  std::uint32_t generation, writer;
};
static_assert(sizeof(PackHeader) == 16);

}  // namespace

std::string pack_name(std::uint32_t generation, std::uint32_t writer) {
  return "packs/" + std::to_string(generation) + "." + std::to_string(writer) + ".pack";
}

std::optional<Stream> stream_of_pack(std::string_view name) {
  std::uint32_t generation = 0, writer = 0;
  const char* end = name.data() + name.size();
  const auto [dot, error] = std::from_chars(name.data(), end, generation);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  const auto [rest, second_error] = std::from_chars(dot + 1, end, writer);
  if (second_error != std::errc{} || std::string_view{rest, static_cast<std::size_t>(end - rest)} != ".pack")
    return std::nullopt;
  return Stream{generation, stream_of(writer)};
}

std::string to_string(const Location& location) {
  return pack_name(location.generation, location.writer) + " at " + std::to_string(location.offset) + " (" +
         std::to_string(location.length) + " bytes)";
}

PackWriter::PackWriter(const OutputRoot& root, std::uint32_t generation, std::uint32_t writer)
    : generation_{generation}, writer_{writer} {
  root.make_directories("packs");
  file_ = root.create_new(pack_name(generation, writer));
  const PackHeader header{pack_magic, generation, writer};
  file_.write_all_at(std::as_bytes(std::span{&header, 1}), 0);
  end_ = sizeof header;
  root.sync_directory("packs");
}

void PackWriter::check_usable() const {
  if (abandoned_)
    throw Error{ErrorCode::io,
                file_.path() +
                    " was abandoned after a failed write (what the file holds is "
                    "unknown); write to a new pack",
                true};
}

Location PackWriter::append(std::span<const std::byte> object) {
  check_usable();
  PETAVOX_ASSERT(!object.empty());
  const Location location{generation_, writer_, end_, object.size(), checksum(object)};
  try {
    // At a known offset, so that a piece left by a full disk is overwritten by the next attempt.
    file_.write_all_at(object, end_);
  } catch (const Error& error) {
    abandoned_ = error.code() != ErrorCode::resource;
    throw;
  }
  end_ += object.size();
  dirty_ = true;
  return location;
}

void PackWriter::sync() {
  check_usable();
  if (!dirty_) return;
  try {
    file_.sync_data();
  } catch (const Error&) {
    // The kernel may have dropped the pages it could not write: a second fsync would falsely succeed.
    abandoned_ = true;
    throw;
  }
  dirty_ = false;
}

PackReader::PackReader(const OutputRoot& root, std::size_t max_open_files)
    : root_{root}, max_open_files_{std::max<std::size_t>(1, max_open_files)} {}

std::shared_ptr<const File> PackReader::file_of(const Location& location) const {
  const Key key = std::uint64_t{location.generation} << 32 | location.writer;
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = entries_.find(key); found != entries_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->file;
    }
  }
  const std::string name = pack_name(location.generation, location.writer);
  std::optional<File> opened = root_.find_for_reading(name);
  if (!opened)
    throw CorruptObject{"the pack " + root_.path() + "/" + name +
                        " is missing (results of finished tasks are in it); they will be made again"};
  auto file = std::make_shared<const File>(std::move(*opened));
  const std::lock_guard lock{mutex_};
  if (const auto found = entries_.find(key); found != entries_.end()) return found->second->file;
  recent_.push_front({key, file});
  entries_[key] = recent_.begin();
  while (recent_.size() > max_open_files_) {
    entries_.erase(recent_.back().key);
    recent_.pop_back();
  }
  return file;
}

void PackReader::forget(Stream stream) const {
  const std::lock_guard lock{mutex_};
  for (auto entry = recent_.begin(); entry != recent_.end();) {
    const auto writer = static_cast<std::uint32_t>(entry->key);
    if (stream_of(Location{static_cast<std::uint32_t>(entry->key >> 32), writer, 0, 0, 0}) != stream) {
      ++entry;
      continue;
    }
    entries_.erase(entry->key);
    entry = recent_.erase(entry);
  }
}

void PackReader::read(const Location& location, std::uint64_t begin, std::span<std::byte> into) const {
  std::uint64_t from = 0, end = 0;
  if (begin > location.length || into.size() > location.length - begin ||
      __builtin_add_overflow(location.offset, begin, &from) ||
      __builtin_add_overflow(location.offset, location.length, &end) ||
      end > static_cast<std::uint64_t>(INT64_MAX))
    throw CorruptObject{"bytes " + std::to_string(begin) + " to " + std::to_string(begin + into.size()) +
                        " are not in the object in " + to_string(location) +
                        " (it is damaged or not what it is taken for); it will be "
                        "made again"};
  const auto file = file_of(location);
  std::size_t got = 0;
  try {
    got = file->read_at(into, from);
  } catch (const Error& error) {
    // Unreadable sectors are as good as damaged bytes; anything else is not the object's fault.
    if (error.code() != ErrorCode::io) throw;
    throw CorruptObject{std::string{error.what()}};
  }
  if (got != into.size())
    throw CorruptObject{file->path() + " ends at byte " + std::to_string(from + got) +
                        ", within the object in " + to_string(location) +
                        " (the pack is truncated); it will be made again"};
}

Bytes PackReader::read_object(const Location& location, std::uint64_t max_bytes) const {
  if (location.length > max_bytes)
    throw Error{ErrorCode::resource, "the object in " + to_string(location) + " is larger than " +
                                         std::to_string(max_bytes) +
                                         " bytes (it does not fit the memory set aside for it); raise "
                                         "memory.reduction or use smaller blocks"};
  Bytes bytes;
  // Grows with what is really there, so that a wrong length cannot take all memory.
  constexpr std::uint64_t step = std::uint64_t{64} << 20;
  for (std::uint64_t at = 0; at < location.length; at += step) {
    const std::uint64_t size = std::min(step, location.length - at);
    bytes.resize(static_cast<std::size_t>(at + size));
    read(location, at, std::span{bytes}.subspan(static_cast<std::size_t>(at)));
  }
  if (checksum(bytes) != location.checksum)
    throw CorruptObject{"the object in " + to_string(location) +
                        " does not have its checksum (it was damaged or exchanged); it will be made again"};
  return bytes;
}

}  // namespace petavox
