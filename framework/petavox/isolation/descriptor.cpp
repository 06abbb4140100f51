#include "petavox/isolation/descriptor.hpp"

#include "petavox/base/check.hpp"

#include <algorithm>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace petavox::isolation {

void Descriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::ptrdiff_t send_with(int socket, std::span<const std::byte> bytes, std::span<const int> passed,
                         int flags) {
  PETAVOX_ASSERT(passed.size() <= most_passed);
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(most_passed * sizeof(int))] = {};
  if (!passed.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(passed.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(passed.size_bytes());
    std::memcpy(CMSG_DATA(header), passed.data(), passed.size_bytes());
  }
  return ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

std::ptrdiff_t receive_with(int socket, std::span<std::byte> bytes, std::span<int> passed,
                            std::size_t& num_passed) {
  PETAVOX_ASSERT(passed.size() <= most_passed);
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(most_passed * sizeof(int))] = {};
  if (!passed.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(passed.size_bytes());
  }
  const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  num_passed = 0;
  if (got <= 0) return got;
  for (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(header))) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      if (num_passed < passed.size())
        passed[num_passed++] = fd;
      else
        ::close(fd);
    }
  }
  return got;
}

}  // namespace petavox::isolation
