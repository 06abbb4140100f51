#include "petavox/isolation/channel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

namespace petavox::isolation {
namespace {

constexpr std::uint32_t magic = 0x70766978;  // "pvix"
constexpr std::uint64_t max_head_bytes = std::uint64_t{64} << 20;
constexpr std::size_t alignment = 64;
constexpr std::size_t least_segment_bytes = std::size_t{1} << 20;
/// A message is written at once; whoever stops in the middle of one is broken.
constexpr timeval patience{10, 0};

constexpr std::size_t aligned(std::size_t size) { return (size + alignment - 1) / alignment * alignment; }

int timeout_ms(Deadline deadline) {
  if (deadline == no_deadline) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 60'000));
}

[[noreturn]] void broken(const char* what) { throw ChannelBroken{std::string{"the connection "} + what}; }

}  // namespace

struct Channel::Frame {
  std::uint32_t magic, tag;
  std::uint64_t head_bytes, payload_bytes;
};

std::span<const std::byte> Payload::next(std::size_t size) {
  if (at_ > bytes_.size() || size > bytes_.size() - at_) broken("carried less than was announced");
  const auto part = bytes_.subspan(at_, size);
  at_ += aligned(size);
  return part;
}

Channel::Channel(Descriptor socket, Side side, std::size_t max_segment_bytes)
    : socket_{std::move(socket)}, side_{side}, max_segment_bytes_{max_segment_bytes} {
  if (side_ == Side::host) ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

Channel::~Channel() {
  if (segment_ != nullptr) ::munmap(segment_, segment_bytes_);
}

void Channel::map_segment(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) broken("passed no memory");
  if (segment_ != nullptr) ::munmap(segment_, segment_bytes_);
  segment_ = nullptr;
  segment_bytes_ = static_cast<std::size_t>(info.st_size);
  void* const mapped = ::mmap(nullptr, segment_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    segment_bytes_ = 0;
    throw Error{ErrorCode::resource, std::string{"memory cannot be shared with a helper ("} +
                                         std::strerror(errno) +
                                         "); raise memory.isolated_mb or use smaller blocks"};
  }
  segment_ = static_cast<std::byte*>(mapped);
}

// Sealed at its size: the other side can neither cut it, which would end a reader here with SIGBUS, nor let
// it grow.
void Channel::make_segment(std::size_t bytes) {
  const std::size_t size = std::max(aligned(bytes), least_segment_bytes);
  if (size > max_segment_bytes_)
    throw Error{ErrorCode::resource,
                "a block needs " + std::to_string(size >> 20) + " MB shared with its helper, more than the " +
                    std::to_string(max_segment_bytes_ >> 20) +
                    " MB allowed (memory would not be what the plan says); raise memory.isolated_mb or use "
                    "smaller blocks"};
  Descriptor fd{::memfd_create("petavox", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!fd.open() || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    throw Error{ErrorCode::resource, std::string{"memory cannot be shared with a helper ("} +
                                         std::strerror(errno) + "); raise the limits of the process"};
  map_segment(fd.get());
  fd_ = std::move(fd);
  announce_ = true;
}

void Channel::write_all(std::span<const std::byte> bytes, int descriptor, Deadline deadline) {
  while (!bytes.empty()) {
    const std::span<const int> passed{&descriptor, descriptor >= 0 ? 1U : 0U};
    const auto sent = send_with(socket_.get(), bytes, passed, MSG_DONTWAIT);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      descriptor = -1;
    } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      pollfd wait{socket_.get(), POLLOUT, 0};
      if (::poll(&wait, 1, timeout_ms(deadline)) == 0 && Clock::now() >= deadline) throw DeadlinePassed{};
    } else if (sent == 0 || errno != EINTR) {
      broken("was closed");
    }
  }
}

void Channel::read_all(std::span<std::byte> bytes, Descriptor* descriptor) {
  while (!bytes.empty()) {
    int passed = -1;
    std::size_t num_passed = 0;
    // A host takes no descriptors.
    const auto got =
        receive_with(socket_.get(), bytes, {&passed, descriptor != nullptr ? 1U : 0U}, num_passed);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) broken("stopped in the middle of a message");
    if (got <= 0) broken("was closed");
    if (num_passed > 0) *descriptor = Descriptor{passed};
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void Channel::send_frame(Tag tag, const Bytes& head, std::size_t payload, int descriptor, Deadline deadline) {
  const Frame frame{magic, static_cast<std::uint32_t>(tag), head.size(), payload};
  write_all(std::as_bytes(std::span{&frame, 1}), descriptor, deadline);
  write_all(head, -1, deadline);
}

void Channel::send(Tag tag, const Bytes& head, const std::vector<std::span<const std::byte>>& parts,
                   Deadline deadline) {
  std::size_t total = 0;
  for (const auto& part : parts) total += aligned(part.size());
  if (total > segment_bytes_) {
    if (side_ == Side::host) {
      make_segment(total);
    } else {
      ByteWriter wanted;
      wanted.put(static_cast<std::uint64_t>(total));
      send_frame(Tag::grow, wanted.bytes(), 0, -1, deadline);
      const Message answer = receive(deadline);
      if (answer.tag != Tag::segment || total > segment_bytes_)
        throw Error{ErrorCode::resource, text_of(answer.head)};
    }
  }
  std::size_t at = 0;
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(segment_ + at, part.data(), part.size());
    at += aligned(part.size());
  }
  send_frame(tag, head, total, std::exchange(announce_, false) ? fd_.get() : -1, deadline);
}

Message Channel::receive(Deadline deadline, int also, const std::function<void()>& watch) {
  while (true) {
    pollfd waits[2] = {{socket_.get(), POLLIN, 0}, {also, POLLIN, 0}};
    const int ready = ::poll(waits, also >= 0 ? 2 : 1, timeout_ms(deadline));
    if (ready < 0 && errno != EINTR) broken("cannot be waited for");
    if (Clock::now() >= deadline) throw DeadlinePassed{};
    if (ready <= 0) continue;
    if (also >= 0 && waits[1].revents != 0) {
      watch();
      if ((waits[1].revents & POLLIN) == 0) also = -1;  // closed
    }
    if (waits[0].revents == 0) continue;

    Frame frame{};
    Descriptor passed;
    read_all(std::as_writable_bytes(std::span{&frame, 1}), side_ == Side::helper ? &passed : nullptr);
    if (frame.magic != magic || frame.tag >= num_tags || frame.head_bytes > max_head_bytes)
      broken("carried something that is no message");
    Message message{static_cast<Tag>(frame.tag), Bytes(static_cast<std::size_t>(frame.head_bytes)), {}};
    read_all(message.head, nullptr);
    if (passed.open()) {
      map_segment(passed.get());
      fd_ = std::move(passed);
    }
    if (frame.payload_bytes > segment_bytes_) broken("announced more than the shared memory holds");
    message.payload = Payload{{segment_, static_cast<std::size_t>(frame.payload_bytes)}};
    if (message.tag != Tag::grow || side_ != Side::host) return message;
    Bytes answer;
    try {
      make_segment(static_cast<std::size_t>(ByteReader{message.head}.get<std::uint64_t>()));
    } catch (const Error& error) {
      const auto text = bytes_of(error.what());
      answer.assign(text.begin(), text.end());
    }
    send_frame(answer.empty() ? Tag::segment : Tag::failed, answer, 0,
               std::exchange(announce_, false) ? fd_.get() : -1, deadline);
  }
}

}  // namespace petavox::isolation
