#include "petavox/io/file.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace petavox {
namespace {

struct Explanation {
  ErrorCode code;
  bool retryable;
  const char* why;
  const char* what_to_do;
};

Explanation explain(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {ErrorCode::resource, true, "there is no room for the result",
              "free space or raise the quota, then run the same command again: it resumes"};
    case EMFILE:
    case ENFILE:
      return {ErrorCode::resource, true, "too many files are open", "raise the limit (ulimit -n)"};
    case ENOMEM:
    case ENOBUFS:
      return {ErrorCode::resource, true, "the system is out of memory",
              "use fewer ranks on this machine or smaller blocks"};
    case EIO:
    case ENXIO:
    case ENODEV:
      return {ErrorCode::io, true, "the disk or file system failed; what was being written may be lost",
              "check the storage, then run the same command again: it resumes"};
    case ESTALE:
    case ETIMEDOUT:
    case EBUSY:
    case EAGAIN:
    case ETXTBSY:
      return {ErrorCode::io, true, "the file system did not answer as it should",
              "run the same command again: it resumes"};
    case EROFS:
      return {ErrorCode::io, false, "the file system is read-only", "choose another output directory"};
    case EACCES:
    case EPERM:
      return {ErrorCode::io, false, "permission is missing",
              "change the permissions or choose another directory"};
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::io, false, "a file or directory of that name is needed", "check the path"};
    case EEXIST:
      return {ErrorCode::io, false, "the name is taken and is never overwritten", "choose another name"};
    case ELOOP:
    case EXDEV:
      return {ErrorCode::io, false, "the path follows a link that it must not follow",
              "use a directory without links that lead outside"};
    case EISDIR:
    case ENAMETOOLONG:
    case EINVAL:
      return {ErrorCode::io, false, "the path cannot be used like this", "check the path"};
    default:
      return {ErrorCode::io, false, "the operating system refused it", "check the path and the storage"};
  }
}

}  // namespace

Error system_error(std::string_view action, std::string_view path, int error_number) {
  const Explanation e = explain(error_number);
  return Error{e.code,
               "cannot " + std::string{action} + " " + std::string{path} + ": " +
                   std::generic_category().message(error_number) + " (" + e.why + "); " + e.what_to_do,
               e.retryable};
}

File::File(File&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)}, path_{std::move(other.path_)} {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw system_error("write", path_, n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void File::write_all_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw system_error("write", path_, n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

std::size_t File::read_at(std::span<std::byte> into, std::uint64_t offset) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n =
        ::pread(descriptor_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("read", path_, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void File::read_exact_at(std::span<std::byte> into, std::uint64_t offset) const {
  const std::size_t n = read_at(into, offset);
  if (n != into.size())
    throw Error{ErrorCode::io, path_ + " ends at byte " + std::to_string(offset + n) + " but " +
                                   std::to_string(into.size()) + " bytes from " + std::to_string(offset) +
                                   " on are needed (the file is truncated); restore it or make it anew"};
}

std::uint64_t File::size_bytes() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw system_error("examine", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t File::num_links() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw system_error("examine", path_, errno);
  return static_cast<std::uint64_t>(status.st_nlink);
}

void File::resize(std::uint64_t size_bytes) {
  while (::ftruncate(descriptor_, static_cast<off_t>(size_bytes)) != 0)
    if (errno != EINTR) throw system_error("resize", path_, errno);
}

void File::sync() {
  while (::fsync(descriptor_) != 0)
    if (errno != EINTR) throw system_error("make durable", path_, errno);
}

void File::sync_data() {
  while (::fdatasync(descriptor_) != 0)
    if (errno != EINTR) throw system_error("make durable", path_, errno);
}

void File::close() {
  if (descriptor_ < 0) return;
  // After EINTR the descriptor is gone all the same (Linux): never close it twice.
  const int result = ::close(std::exchange(descriptor_, -1));
  if (result != 0 && errno != EINTR) throw system_error("close", path_, errno);
}

}  // namespace petavox
