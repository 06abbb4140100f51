#include "petavox/reduce/spill.hpp"

#include "petavox/volume/huge_pages.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace petavox {
namespace {

std::string directory_or_default(const std::string& scratch_dir) {
  if (!scratch_dir.empty()) return scratch_dir;
  std::error_code ignored;
  const auto path = std::filesystem::temp_directory_path(ignored);
  return path.empty() ? std::string{"/tmp"} : path.string();
}

[[noreturn]] void fail(const std::string& what, int error) {
  throw Error{ErrorCode::resource,
              "cannot " + what + ": " + std::strerror(error) +
                  " (a reduction outgrew its memory budget and needs scratch space); free space there, raise "
                  "memory.reduction or choose another scratch directory",
              error == ENOSPC || error == EDQUOT || error == EINTR};
}

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return checked_mul(checked_add(bytes, page - 1) / page, page);
}

}  // namespace

bool SpillPool::take(std::size_t bytes) {
  std::size_t held = held_.load(std::memory_order_relaxed);
  do {
    if (bytes > memory_bytes_ || held > memory_bytes_ - bytes) return false;
  } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  std::size_t most = most_held_.load(std::memory_order_relaxed);
  while (most < held + bytes &&
         !most_held_.compare_exchange_weak(most, held + bytes, std::memory_order_relaxed)) {
  }
  return true;
}

int SpillPool::create_file() const {
  const std::string dir = directory_or_default(scratch_dir_);
  int fd = ::open(dir.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  // Some network file systems have no O_TMPFILE: create a named file and remove the name at once.
  std::string name = dir + "/petavox-spill-XXXXXX";
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail("create a file in " + dir, errno);
  ::unlink(name.c_str());
  return fd;
}

void SpillBuffer::release() noexcept {
  if (fd_ >= 0) {
    ::munmap(data_, capacity_);
    ::close(fd_);
    if (pool_) pool_->spilled_.fetch_sub(capacity_, std::memory_order_relaxed);
  } else if (data_ != nullptr) {
    std::free(data_);
    if (pool_) pool_->give(capacity_);
  }
  data_ = nullptr;
  capacity_ = 0;
  fd_ = -1;
}

void SpillBuffer::grow(std::size_t bytes, std::size_t used) {
  if (bytes <= capacity_) return;
  if (fd_ >= 0) {
    extend_file(whole_pages(bytes));
    return;
  }
  const std::size_t more = bytes - capacity_;
  if (pool_ && !pool_->take(more)) {
    to_file(whole_pages(bytes), used);
    return;
  }
  auto* moved = static_cast<std::byte*>(std::realloc(data_, bytes));
  if (moved == nullptr) {
    if (pool_) pool_->give(more);
    fail("allocate " + std::to_string(bytes) + " bytes", ENOMEM);
  }
  data_ = moved;
  capacity_ = bytes;
  prefer_huge_pages({data_ + used, bytes - used});
}

void SpillBuffer::to_file(std::size_t bytes, std::size_t used) {
  const int fd = pool_->create_file();
  const auto give_up = [&](const char* what, int error) {
    ::close(fd);
    fail(what, error);
  };
  // Reserved, not only extended: a write to a hole of a full disk would be a SIGBUS.
  if (const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes)); error != 0)
    give_up("reserve scratch space", error);
  void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) give_up("map scratch space", errno);
  if (used > 0) std::memcpy(mapped, data_, used);
  auto pool = pool_;
  release();
  pool_ = std::move(pool);
  data_ = static_cast<std::byte*>(mapped);
  capacity_ = bytes;
  fd_ = fd;
  pool_->spilled_.fetch_add(bytes, std::memory_order_relaxed);
}

void SpillBuffer::extend_file(std::size_t bytes) {
  if (const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(bytes)); error != 0)
    fail("reserve scratch space", error);
  void* moved = ::mremap(data_, capacity_, bytes, MREMAP_MAYMOVE);
  if (moved == MAP_FAILED) fail("map scratch space", errno);
  pool_->spilled_.fetch_add(bytes - capacity_, std::memory_order_relaxed);
  data_ = static_cast<std::byte*>(moved);
  capacity_ = bytes;
}

}  // namespace petavox
