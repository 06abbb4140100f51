// Preloaded into petavox: counts the calls that change files below FAULT_ROOT, and at the n-th one kills the
// process or makes the call fail. system_calls.py drives it.
//
//   FAULT_ROOT      calls on files below this directory count
//   FAULT_LOG       file to which the name of each such call is appended, a line each; in the other modes
//   only that of
//                   the calls that were disturbed
//   FAULT_MODE      count | before | half | after  (the process is killed then) | short | an error by its
//   number FAULT_AT        number of the call, from 1 FAULT_FOREVER   1: that call and all later ones fail

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

enum class Mode { off, count, before, half, after, shortened, error };

struct Settings {
  std::string root;
  Mode mode = Mode::off;
  int error = 0, log = -1;
  long at = 0;
  bool forever = false;

  Settings() {
    const char* directory = std::getenv("FAULT_ROOT");
    const char* how = std::getenv("FAULT_MODE");
    if (directory == nullptr || how == nullptr) return;
    root = directory;
    const std::string name = how;
    mode = name == "count"    ? Mode::count
           : name == "before" ? Mode::before
           : name == "half"   ? Mode::half
           : name == "after"  ? Mode::after
           : name == "short"  ? Mode::shortened
                              : Mode::error;
    if (mode == Mode::error) error = std::atoi(how);
    if (const char* n = std::getenv("FAULT_AT")) at = std::atol(n);
    forever = std::getenv("FAULT_FOREVER") != nullptr;
    if (const char* file = std::getenv("FAULT_LOG"))
      log = static_cast<int>(::syscall(SYS_open, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  }
};

const Settings& settings() {
  static const Settings all;
  return all;
}

bool below_root(int descriptor, const char* path) {
  const std::string& root = settings().root;
  if (path != nullptr && path[0] == '/') return std::strncmp(path, root.c_str(), root.size()) == 0;
  if (descriptor == AT_FDCWD) return false;
  char name[64], target[PATH_MAX];
  std::snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  const ssize_t length = ::readlink(name, target, sizeof target - 1);
  return length >= static_cast<ssize_t>(root.size()) && std::strncmp(target, root.c_str(), root.size()) == 0;
}

[[noreturn]] void die() {
  ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
  for (;;) ::pause();
}

std::atomic<long> calls{0};  // of all kinds

/// The call itself, of which `part` does a half (for those that have halves).
template <class Call, class Part>
auto disturbed(const char* name, bool counts, Call call, Part part) -> decltype(call()) {
  const Settings& s = settings();
  if (s.mode == Mode::off || !counts) return call();
  const long number = ++calls;
  const bool hit = s.mode == Mode::count || number == s.at || (s.forever && number > s.at);
  if (hit && s.log >= 0) {
    const std::string line = std::string{name} + "\n";
    (void)!::syscall(SYS_write, s.log, line.data(), line.size());
  }
  if (!hit || s.mode == Mode::count) return call();
  switch (s.mode) {
    case Mode::before:
      die();
    case Mode::half:
      (void)part();
      die();
    case Mode::after:
      (void)call();
      die();
    case Mode::shortened:
      return part();
    default:
      errno = s.error;
      return -1;
  }
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

#define NEXT(name) static auto* const real = next<decltype(name)>(#name)
#define WHOLE(counts, call) \
  return disturbed(         \
      __func__, counts, [&] { return call; }, [&] { return call; })

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  NEXT(write);
  return disturbed(
      "write", below_root(fd, nullptr), [&] { return real(fd, bytes, size); },
      [&] { return real(fd, bytes, (size + 1) / 2); });
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  NEXT(pwrite64);
  return disturbed(
      "pwrite", below_root(fd, nullptr), [&] { return real(fd, bytes, size, offset); },
      [&] { return real(fd, bytes, (size + 1) / 2, offset); });
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return pwrite64(fd, bytes, size, offset);
}
int fsync(int fd) {
  NEXT(fsync);
  WHOLE(below_root(fd, nullptr), real(fd));
}
int fdatasync(int fd) {
  NEXT(fdatasync);
  WHOLE(below_root(fd, nullptr), real(fd));
}
int ftruncate64(int fd, off64_t size) noexcept {
  NEXT(ftruncate64);
  WHOLE(below_root(fd, nullptr), real(fd, size));
}
int ftruncate(int fd, off_t size) noexcept { return ftruncate64(fd, size); }
int rename(const char* from, const char* to) noexcept {
  NEXT(rename);
  WHOLE(below_root(AT_FDCWD, to), real(from, to));
}
int renameat(int from_fd, const char* from, int to_fd, const char* to) noexcept {
  NEXT(renameat);
  WHOLE(below_root(to_fd, to), real(from_fd, from, to_fd, to));
}
int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) noexcept {
  NEXT(renameat2);
  WHOLE(below_root(to_fd, to), real(from_fd, from, to_fd, to, flags));
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  NEXT(posix_fallocate64);
  const auto call = [&] { return real(fd, offset, size); };
  const int result = disturbed("posix_fallocate", below_root(fd, nullptr), call, call);
  return result == -1 ? errno : result;  // it does not set errno
}
int posix_fallocate(int fd, off_t offset, off_t size) { return posix_fallocate64(fd, offset, size); }
int link(const char* from, const char* to) noexcept {
  NEXT(link);
  WHOLE(below_root(AT_FDCWD, to), real(from, to));
}
int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) noexcept {
  NEXT(linkat);
  WHOLE(below_root(to_fd, to), real(from_fd, from, to_fd, to, flags));
}
int unlink(const char* path) noexcept {
  NEXT(unlink);
  WHOLE(below_root(AT_FDCWD, path), real(path));
}
int unlinkat(int fd, const char* path, int flags) noexcept {
  NEXT(unlinkat);
  WHOLE(below_root(fd, path), real(fd, path, flags));
}
// FAULT_SWAP=A:B puts file A in the place of the plugin B at the moment when B, or an open descriptor, is
// loaded.
void* dlopen(const char* path, int flags) noexcept {
  NEXT(dlopen);
  if (const char* const swap = std::getenv("FAULT_SWAP"); swap != nullptr && path != nullptr) {
    const std::string both = swap;
    const auto colon = both.find(':');
    const std::string to = both.substr(colon + 1);
    if (to == path || std::strncmp(path, "/proc/self/fd/", 14) == 0)
      std::rename(both.substr(0, colon).c_str(), to.c_str());
  }
  return real(path, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  NEXT(mkdir);
  WHOLE(below_root(AT_FDCWD, path), real(path, mode));
}
int mkdirat(int fd, const char* path, mode_t mode) noexcept {
  NEXT(mkdirat);
  WHOLE(below_root(fd, path), real(fd, path, mode));
}

}  // extern "C"
