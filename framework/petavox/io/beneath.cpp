#include "petavox/io/beneath.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(SYS_openat2) && __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#define PETAVOX_HAS_OPENAT2 1
#endif

namespace petavox::detail {
namespace {

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

int open_with_kernel([[maybe_unused]] int root, [[maybe_unused]] const char* name) {
#ifdef PETAVOX_HAS_OPENAT2
  open_how how{};
  how.flags = directory_flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: a rename elsewhere raced with the look-up; trying again is what the manual asks for.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, name, &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno != EINTR && errno != EAGAIN) return -1;
  }
  return -1;
#else
  errno = ENOSYS;
  return -1;
#endif
}

int open_by_walking(int root, std::string_view name) {
  int directory = ::openat(root, ".", directory_flags);
  while (directory >= 0 && !name.empty()) {
    const std::string part{name.substr(0, name.find('/'))};
    name.remove_prefix(std::min(name.size(), part.size() + 1));
    const int next = ::openat(directory, part.c_str(), directory_flags | O_NOFOLLOW);
    const int error = errno;
    ::close(directory);
    errno = error;
    directory = next;
  }
  return directory;
}

}  // namespace

Resolver best_resolver() {
  static const Resolver best = [] {
    // Old kernels do not know the call and some sandboxes forbid it.
    const int fd = open_with_kernel(AT_FDCWD, ".");
    if (fd < 0) return Resolver::walk;
    ::close(fd);
    return Resolver::kernel;
  }();
  return best;
}

File open_directory_beneath(int root, std::string_view name, const std::string& path, Resolver resolver) {
  const int fd = resolver == Resolver::kernel
                     ? open_with_kernel(root, name.empty() ? "." : std::string{name}.c_str())
                     : open_by_walking(root, name);
  if (fd >= 0) return {fd, path};
  if (errno == ENOENT) return {};
  if (errno == EXDEV || errno == ELOOP || errno == ENOTDIR)
    throw Error{ErrorCode::io, path +
                                   " is not a directory inside the output directory (a link leads outside, "
                                   "or a file is in the way); remove it or choose another directory"};
  throw system_error("open", path, errno);
}

}  // namespace petavox::detail
