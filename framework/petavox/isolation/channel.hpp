#pragma once
// What a process and its helper say to each other: small messages over a socket, voxels through memory that
// both have mapped. Strictly by turns, so that one segment serves both directions. Promises: nothing that the
// other side does makes the memory shrink under a reader (it is sealed), and no message makes more be
// allocated than it could hold. Not synchronised.

#include "petavox/base/bytes.hpp"
#include "petavox/isolation/descriptor.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace petavox::isolation {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
inline constexpr Deadline no_deadline = Deadline::max();

/// The other side has closed the socket, or does not follow the protocol.
class ChannelBroken : public Error {
 public:
  explicit ChannelBroken(const std::string& text) : Error{ErrorCode::stage, text, true} {}
};
class DeadlinePassed : public Error {
 public:
  DeadlinePassed() : Error{ErrorCode::stage, "a process did not answer in time", true} {}
};

enum class Tag : std::uint32_t {
  // to the helper
  load,
  make,
  contract,
  run,
  leaf,
  node,
  input,  ///< what a stage asked for, or an error
  segment,
  // from the helper
  done,
  failed,
  ask,   ///< for an input
  grow,  ///< the segment is too small for what follows
};
inline constexpr std::uint32_t num_tags = 12;

/// Parts that lie one after another in the segment.
class Payload {
 public:
  Payload() = default;
  explicit Payload(std::span<const std::byte> bytes) : bytes_{bytes} {}
  /// Throws ChannelBroken beyond the end.
  std::span<const std::byte> next(std::size_t size);

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

struct Message {
  Tag tag{};
  Bytes head;
  Payload payload;  ///< of the segment: until the next message is sent or received
};

class Channel {
 public:
  enum class Side { host, helper };
  /// `max_segment_bytes`: of a host, what it makes at most.
  Channel(Descriptor socket, Side side, std::size_t max_segment_bytes = 0);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void send(Tag tag, const Bytes& head, const std::vector<std::span<const std::byte>>& parts = {},
            Deadline deadline = no_deadline);
  /// Waits; `watch` (if any) is called when the descriptor `also` can be read. Throws ChannelBroken,
  /// DeadlinePassed.
  Message receive(Deadline deadline = no_deadline, int also = -1, const std::function<void()>& watch = {});

 private:
  struct Frame;
  void write_all(std::span<const std::byte> bytes, int descriptor, Deadline deadline);
  void read_all(std::span<std::byte> bytes, Descriptor* descriptor);
  void make_segment(std::size_t bytes);
  void map_segment(int fd);
  void send_frame(Tag tag, const Bytes& head, std::size_t payload, int descriptor, Deadline deadline);

  Descriptor socket_, fd_;
  Side side_;
  std::size_t max_segment_bytes_;
  std::byte* segment_ = nullptr;
  std::size_t segment_bytes_ = 0;
  bool announce_ = false;  // the segment is new: the helper has not got it yet
};

}  // namespace petavox::isolation
