#pragma once
// Open descriptors, and how they pass from process to process over a socket.

#include <cstddef>
#include <span>
#include <utility>

namespace petavox::isolation {

/// An open descriptor, closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

inline constexpr std::size_t most_passed = 4;

/// sendmsg(2) of `bytes` and of up to most_passed descriptors, without SIGPIPE. Returns what it returns.
std::ptrdiff_t send_with(int socket, std::span<const std::byte> bytes, std::span<const int> passed,
                         int flags = 0);
/// recvmsg(2); what is passed goes into `passed`, of which `num_passed` is how many came. Without room for
/// them the kernel drops what is sent. They are closed by exec.
std::ptrdiff_t receive_with(int socket, std::span<std::byte> bytes, std::span<int> passed,
                            std::size_t& num_passed);

}  // namespace petavox::isolation
