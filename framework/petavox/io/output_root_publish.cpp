#include "petavox/base/hash.hpp"
#include "petavox/io/output_root_state.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include <sys/random.h>
#include <unistd.h>

namespace petavox {

using detail::leaf_of, detail::parent_of, detail::sync_directory_file, detail::temporary_prefix;

namespace {

std::string unique_suffix() {
  static std::atomic<std::uint64_t> counter{0};
  std::array<std::uint64_t, 2> random{};
  if (::getrandom(random.data(), sizeof random, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof random)) {
    // Early at boot there may be no entropy: time and process id do, as the name is made with O_EXCL.
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    random = {mix64(static_cast<std::uint64_t>(now)), mix64(static_cast<std::uint64_t>(::getpid()))};
  }
  random[0] += counter.fetch_add(1, std::memory_order_relaxed);
  return to_hex(random[0]) + to_hex(random[1]);
}

/// Gives the file a second name that must not exist, and takes the first one away. False if it is taken.
bool move_into_place(const File& directory, const std::string& from, const std::string& to) {
  const int fd = directory.descriptor();
  const std::string path = directory.path() + "/" + to;
  const int error = ::linkat(fd, from.c_str(), fd, to.c_str(), 0) == 0 ? 0 : errno;
  if (error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK) {
    if (::renameat2(fd, from.c_str(), fd, to.c_str(), RENAME_NOREPLACE) != 0) {
      if (errno == EEXIST) return false;
      if (errno == EINVAL || errno == ENOSYS)
        throw Error{ErrorCode::io, "cannot publish " + path +
                                       " (the file system has neither hard links nor a rename that keeps "
                                       "existing files); choose an output directory on another one"};
      throw system_error("publish", path, errno);
    }
    sync_directory_file(directory);
    return true;
  }
  if (error != 0 && error != EEXIST) throw system_error("publish", path, error);
  // The answer of a network file system may be that of a repeated request: two names of one file tell.
  struct stat ours {};
  struct stat theirs {};
  if (::fstatat(fd, from.c_str(), &ours, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fstatat(fd, to.c_str(), &theirs, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("publish", path, errno);
  if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev || ours.st_nlink < 2) return false;
  if (::unlinkat(fd, from.c_str(), 0) != 0 && errno != ENOENT)
    throw system_error("remove the temporary name of", path, errno);
  sync_directory_file(directory);
  return true;
}

}  // namespace

void detail::sync_directory_file(const File& directory) {
  while (::fsync(directory.descriptor()) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL || errno == ENOTSUP) return;
    throw system_error("make durable", directory.path(), errno);
  }
}

std::string OutputRoot::temporary_name(std::string_view name) const {
  const std::string directory = parent_of(name);
  return (directory.empty() ? "" : directory + "/") + std::string{temporary_prefix} + unique_suffix();
}

bool OutputRoot::try_publish_written(std::string_view temporary, std::string_view name) const {
  check_relative_name(temporary);
  if (parent_of(temporary) != parent_of(name))
    throw Error{ErrorCode::internal,
                "a file was to be published from another directory (a bug in petavox); "
                "please report it"};
  return move_into_place(state_->parent(name), leaf_of(temporary), leaf_of(name));
}

bool OutputRoot::try_publish(std::string_view name, const std::function<void(File&)>& write) const {
  check_relative_name(name);
  const std::string temporary = temporary_name(name);
  try {
    File file = create_new(temporary);
    write(file);
    file.sync();
    file.close();
    if (try_publish_written(temporary, name)) return true;
  } catch (...) {
    discard(temporary);
    throw;
  }
  discard(temporary);
  return false;
}

bool OutputRoot::try_publish(std::string_view name, std::span<const std::byte> bytes) const {
  return try_publish(name, [&](File& file) { file.write_all(bytes); });
}

void OutputRoot::publish_file(std::string_view name, const std::function<void(File&)>& write) const {
  if (!try_publish(name, write)) throw system_error("publish", state_->full(name), EEXIST);
}

void OutputRoot::publish_file(std::string_view name, std::span<const std::byte> bytes) const {
  publish_file(name, [&](File& file) { file.write_all(bytes); });
}

void OutputRoot::atomically_replace(std::string_view name, std::span<const std::byte> bytes) const {
  check_relative_name(name);
  const std::string temporary = temporary_name(name);
  try {
    File file = create_new(temporary);
    file.write_all(bytes);
    file.sync();
    file.close();
    const File at = state_->parent(name);
    if (::renameat(at.descriptor(), leaf_of(temporary).c_str(), at.descriptor(), leaf_of(name).c_str()) != 0)
      throw system_error("replace", state_->full(name), errno);
    sync_directory_file(at);
  } catch (...) {
    discard(temporary);
    throw;
  }
}

void OutputRoot::discard(std::string_view temporary) const noexcept {
  try {
    (void)remove(temporary);
  } catch (...) {
    // The error that led here is the one to report; remove_temporaries() finds what is left.
  }
}

}  // namespace petavox
