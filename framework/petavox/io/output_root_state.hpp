#pragma once
// The inside of OutputRoot, shared by output_root.cpp and output_root_publish.cpp.

#include "petavox/io/beneath.hpp"
#include "petavox/io/output_root.hpp"

#include <cerrno>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>

namespace petavox {
namespace detail {

inline constexpr std::string_view temporary_prefix = ".tmp-";

/// fsync of a directory. Some file systems know no such thing and say EINVAL: there it is not needed.
void sync_directory_file(const File& directory);

inline std::string parent_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string{} : std::string{name.substr(0, slash)};
}

inline std::string leaf_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return std::string{slash == std::string_view::npos ? name : name.substr(slash + 1)};
}

}  // namespace detail

struct OutputRoot::State {
  std::string path;
  File directory;
  detail::Resolver resolver;

  std::string full(std::string_view name) const {
    return name.empty() ? path : path + "/" + std::string{name};
  }
  /// An invalid File if it does not exist.
  File find_directory(std::string_view name) const {
    if (!name.empty()) check_relative_name(name);
    return detail::open_directory_beneath(directory.descriptor(), name, full(name), resolver);
  }
  File open_directory(std::string_view name) const {
    File found = find_directory(name);
    if (!found.is_open()) throw system_error("open", full(name), ENOENT);
    return found;
  }
  /// The directory of a file.
  File parent(std::string_view name) const {
    check_relative_name(name);
    return open_directory(detail::parent_of(name));
  }
  /// An invalid File if there is none of that name and `flags` do not create it.
  File open_file(std::string_view name, int flags) const {
    check_relative_name(name);
    const File at = find_directory(detail::parent_of(name));
    if (!at.is_open()) {
      if ((flags & O_CREAT) != 0) throw system_error("create", full(name), ENOENT);
      return {};
    }
    // O_NONBLOCK: opening a FIFO must not wait for its other end. It means nothing to regular files.
    int fd;
    do {
      fd = ::openat(at.descriptor(), detail::leaf_of(name).c_str(),
                    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
      if (errno == ENOENT && (flags & O_CREAT) == 0) return {};
      throw system_error((flags & O_CREAT) != 0 ? "create" : "open", full(name), errno);
    }
    File file{fd, full(name)};
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw system_error("examine", file.path(), errno);
    if (!S_ISREG(status.st_mode))
      throw Error{ErrorCode::io, file.path() +
                                     " is not a regular file (reading it could block or do harm); "
                                     "remove it"};
    return file;
  }
};

}  // namespace petavox
