#pragma once
// A directory below which all files of a run stay. Names are relative paths such as "packs/1.4.pack";
// absolute ones, "..", NUL, overlong parts and symbolic links that lead outside are refused with Error{io},
// and so is anything that is not a regular file (a FIFO or device never blocks or is read).
// Cheap to copy. Thread-safe.

#include "petavox/io/file.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox {

/// Throws Error{io} unless `name` is a relative path of plain parts (no "", ".", "..", NUL; at most 255
/// bytes a part and 1024 in all).
void check_relative_name(std::string_view name);

class OutputRoot {
 public:
  /// The directory, made with its parents where it is missing.
  static OutputRoot create(const std::string& path);
  /// An existing directory.
  static OutputRoot open(const std::string& path);

  /// As it was given.
  const std::string& path() const;
  /// Where `name` is, for messages and for libraries that open files themselves; the directory of `name`
  /// has been checked to be below the root.
  std::string path_of(std::string_view name) const;

  /// A new file for writing. Throws Error{io} if the name exists.
  File create_new(std::string_view name) const;
  /// For reading and writing, made where it is missing. Throws Error{io} if the file has another name too.
  File open_or_create(std::string_view name) const;
  File open_for_reading(std::string_view name) const;
  /// Nothing if there is no such file.
  std::optional<File> find_for_reading(std::string_view name) const;
  /// The whole of a file. Throws Error{resource} if it is larger than `max_bytes`.
  Bytes read_file(std::string_view name, std::uint64_t max_bytes) const;
  bool exists(std::string_view name) const;

  /// Makes the directory `name` and those above it, durably.
  void make_directories(std::string_view name) const;
  /// The names in a directory ("" is the root itself), sorted; empty if it does not exist.
  std::vector<std::string> list(std::string_view directory) const;
  /// False if there was nothing to remove.
  bool remove(std::string_view name) const;
  /// Removes a directory with all that is in it (links are removed, not followed). False if it is missing.
  bool remove_tree(std::string_view name) const;
  /// Removes what crashed writers left under temporary names. A writer that still lives fails and retries.
  void remove_temporaries(std::string_view directory) const;
  /// fsync of a directory: makes new and removed names durable.
  void sync_directory(std::string_view directory) const;

  /// Makes a whole and durable file appear under `name`, which must not exist: temporary name in the same
  /// directory, write, fsync, link(2) (rename where there are no links), fsync of the directory.
  /// False, and nothing changed, if the name is taken.
  bool try_publish(std::string_view name, std::span<const std::byte> bytes) const;
  bool try_publish(std::string_view name, const std::function<void(File&)>& write) const;
  /// The same. Throws Error{io} if the name is taken.
  void publish_file(std::string_view name, std::span<const std::byte> bytes) const;
  void publish_file(std::string_view name, const std::function<void(File&)>& write) const;
  /// Publishes a file that another library has written and closed under `temporary`, in the same directory.
  bool try_publish_written(std::string_view temporary, std::string_view name) const;
  /// The old content or the new one is there at any time, durably the new one on return. For small files.
  void atomically_replace(std::string_view name, std::span<const std::byte> bytes) const;
  /// A name beside `name` that no other process uses; list() leaves it out.
  std::string temporary_name(std::string_view name) const;

 private:
  struct State;
  void discard(std::string_view temporary) const noexcept;
  explicit OutputRoot(std::shared_ptr<const State> state) : state_{std::move(state)} {}
  std::shared_ptr<const State> state_;
};

}  // namespace petavox
