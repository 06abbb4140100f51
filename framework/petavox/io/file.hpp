#pragma once
// An open regular file. Interrupted calls and short transfers are retried here, and every failure becomes
// an Error with the path, the reason and what to do about it.
// Thread safety: the *_at functions may be called from any thread; the others need one thread at a time.
// All of it goes through plain libc calls, so that faults can be injected by preloading a library.

#include "petavox/base/bytes.hpp"
#include "petavox/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace petavox {

/// The Error for a failed system call: {resource} for want of space, memory or descriptors, else {io};
/// retryable where the same call may succeed later. `action` completes "cannot …", for example "write".
Error system_error(std::string_view action, std::string_view path, int error_number);

class File {
 public:
  File() = default;
  /// Takes over the descriptor. `path` is for messages.
  File(int descriptor, std::string path) : descriptor_{descriptor}, path_{std::move(path)} {}
  /// The same file under another name.
  File(File&& other, std::string path) noexcept : File{std::move(other)} { path_ = std::move(path); }
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  bool is_open() const noexcept { return descriptor_ >= 0; }
  int descriptor() const noexcept { return descriptor_; }
  const std::string& path() const noexcept { return path_; }

  /// Writes all of it at the file's position.
  void write_all(std::span<const std::byte> bytes);
  void write_all_at(std::span<const std::byte> bytes, std::uint64_t offset);
  /// As many bytes as there are up to the end of the file.
  std::size_t read_at(std::span<std::byte> into, std::uint64_t offset) const;
  /// Throws Error{io} if the file ends before `into` is full.
  void read_exact_at(std::span<std::byte> into, std::uint64_t offset) const;
  std::uint64_t size_bytes() const;
  /// The number of names that the file has.
  std::uint64_t num_links() const;
  void resize(std::uint64_t size_bytes);

  /// fsync and fdatasync. After a failure the content of the file is unknown: throw it away and write it
  /// anew.
  void sync();
  void sync_data();
  /// Closes and reports the errors that some file systems keep until then. The destructor ignores them.
  void close();

 private:
  int descriptor_ = -1;
  std::string path_;
};

}  // namespace petavox
