#pragma once
// The HDF5 library, tamed: one lock a process (the parallel build is not thread-safe), owning handles, errors
// as exceptions, and the blosc filter (32001).
// Internal to petavox/io and petavox/export: no other header shows hdf5.h.
// Thread safety: every HDF5 call is made while a Lock is held. A thread may hold several.

#include "petavox/base/error.hpp"

#include <filesystem>
#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

namespace petavox::hdf5 {

/// Holds the library for this thread. The first one initialises it: silences its error printing and registers
/// the blosc filter.
class Lock {
 public:
  Lock();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

/// Owns an identifier. Closing takes the lock by itself.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_{id}, close_{close} {}
  Handle(Handle&& o) noexcept : id_{std::exchange(o.id_, H5I_INVALID_HID)}, close_{o.close_} {}
  Handle& operator=(Handle&& o) noexcept {
    if (this != &o) {
      close();
      id_ = std::exchange(o.id_, H5I_INVALID_HID);
      close_ = o.close_;
    }
    return *this;
  }
  ~Handle() { close(); }

  hid_t id() const { return id_; }
  bool valid() const { return id_ >= 0; }
  /// Ignores errors, which matter only for what was written.
  void close() noexcept;
  /// Throws as fail() if the library reports an error: what was written is then not to be trusted. Expects a
  /// Lock.
  void close_written(const std::string& problem, const std::string& what_to_do);

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// The innermost entry of the library's error stack, and the outermost: "H5Dread: can't read data, …". Clears
/// it.
std::string last_error();

/// Throws Error{io}: "<problem> (<last_error()>); <what to do>". ENOSPC and EDQUOT become Error{resource},
/// retryable.
[[noreturn]] void fail(const std::string& problem, const std::string& what_to_do);

/// The handle, if `id` is valid; else fail(problem, what_to_do).
Handle own(hid_t id, Handle::Close close, const std::string& problem, const std::string& what_to_do);

/// Throws Error{io} unless `file` is a regular file that can be opened for reading.
void require_regular_file(const std::filesystem::path& file);

/// Opens an existing regular file read-only, with the default driver and without file locking (input
/// directories may be read-only or on file systems without locks). Throws Error{io} for anything else (a
/// pipe, a device, a directory, a file that is not HDF5 or ends early).
Handle open_file(const std::filesystem::path& file);

/// A dataset-access list that refuses external links; `*refused` (unless null) is set when one was met, so it
/// must outlive the list.
Handle guarded_access(bool* refused);

constexpr H5Z_filter_t blosc_filter = 32001;

}  // namespace petavox::hdf5
