#include "petavox/io/hdf5_library.hpp"

#include "petavox/base/phase.hpp"
#include "petavox/io/hdf5_filters.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox::hdf5 {
namespace {

std::recursive_mutex& library_mutex() {
  // Never destroyed: handles in static objects may be closed after main() has returned.
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

void initialise() {
  // Every file is closed by its owner. What the library would find at the end of the process is a file that
  // could not be closed, and freeing it again would crash.
  if (H5dont_atexit() < 0 || H5open() < 0)
    throw Error{ErrorCode::internal,
                "the HDF5 library does not start (no volume can be read or written); check the installation"};
  // Must be repeated here and not once at start-up: an application may have changed it.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  register_blosc_filter();
}

struct Stack {
  std::string innermost;
  int os_error = 0;
};

// The drivers of the library report system errors inside a text that also holds the time and addresses.
int os_error_in(std::string_view text) {
  constexpr std::string_view key = "errno = ";
  const auto at = text.find(key);
  if (at == std::string_view::npos) return 0;
  int value = 0;
  const char* first = text.data() + at + key.size();
  std::from_chars(first, text.data() + text.size(), value);
  return value;
}

herr_t visit(unsigned /*depth*/, const H5E_error2_t* entry, void* data) {
  auto* stack = static_cast<Stack*>(data);
  const std::string_view text = entry->desc != nullptr ? entry->desc : "";
  if (stack->innermost.empty()) stack->innermost = text;
  if (stack->os_error == 0) stack->os_error = os_error_in(text);
  return 0;
}

Stack take_stack() {
  Stack stack;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &stack);
  H5Eclear2(H5E_DEFAULT);
  if (stack.innermost.empty()) stack.innermost = "no reason given by the HDF5 library";
  // Texts go into one line of a log.
  for (char& c : stack.innermost)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return stack;
}

std::string text_of(const Stack& stack) {
  return stack.os_error != 0 ? std::strerror(stack.os_error) : stack.innermost;
}

herr_t refuse_external_link(const char*, const char*, const char*, const char*, unsigned*, hid_t,
                            void* refused) {
  if (refused != nullptr) *static_cast<bool*>(refused) = true;
  return -1;
}

}  // namespace

Lock::Lock() : lock_{library_mutex(), std::try_to_lock} {
  if (!lock_.owns_lock()) {
    const PhaseScope waiting{Phase::wait};
    lock_.lock();
  }
  static const bool once = (initialise(), true);
  static_cast<void>(once);
}

void Handle::close() noexcept {
  if (id_ < 0) return;
  try {
    const Lock lock;
    if (close_(std::exchange(id_, H5I_INVALID_HID)) < 0) H5Eclear2(H5E_DEFAULT);
  } catch (...) {
    // No lock: the identifier is lost, which is all that can happen.
  }
}

void Handle::close_written(const std::string& problem, const std::string& what_to_do) {
  if (id_ >= 0 && close_(std::exchange(id_, H5I_INVALID_HID)) < 0) fail(problem, what_to_do);
}

std::string last_error() { return text_of(take_stack()); }

void fail(const std::string& problem, const std::string& what_to_do) {
  const Stack stack = take_stack();
  const bool full = stack.os_error == ENOSPC || stack.os_error == EDQUOT;
  throw Error{full ? ErrorCode::resource : ErrorCode::io,
              problem + " (" + text_of(stack) + "); " + what_to_do, full};
}

Handle own(hid_t id, Handle::Close close, const std::string& problem, const std::string& what_to_do) {
  if (id < 0) fail(problem, what_to_do);
  return {id, close};
}

void require_regular_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  // Opening a pipe would wait for a writer for ever, hence O_NONBLOCK.
  const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    throw Error{ErrorCode::io, "cannot open " + name + " (" + std::strerror(errno) +
                                   "); check the path and its permissions"};
  struct stat status {};
  const int rc = ::fstat(fd, &status);
  ::close(fd);
  if (rc != 0 || !S_ISREG(status.st_mode))
    throw Error{ErrorCode::io,
                "cannot open " + name + " (it is not a regular file); give the path of a file"};
}

Handle open_file(const std::filesystem::path& file) {
  require_regular_file(file);
  const Lock lock;
  const Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "cannot open " + file.string(),
                            "this is a bug or memory is short");
  // Locks keep us from a file that is being written; where a file system has none, go on without.
  H5Pset_file_locking(access.id(), true, true);
  const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0)
    fail("cannot open " + file.string() + " as HDF5",
         "check that it is a complete HDF5 file that nobody is writing");
  return {id, H5Fclose};
}

Handle guarded_access(bool* refused) {
  const Lock lock;
  Handle access = own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, "cannot prepare access to a dataset",
                      "this is a bug or memory is short");
  if (H5Pset_elink_cb(access.id(), refuse_external_link, refused) < 0)
    fail("cannot prepare access to a dataset", "this is a bug or memory is short");
  return access;
}

}  // namespace petavox::hdf5
