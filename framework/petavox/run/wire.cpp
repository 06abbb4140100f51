#include "petavox/run/wire.hpp"

#include <algorithm>

namespace petavox::wire {
namespace {

struct WorkHead {
  TaskId task;
  std::int32_t attempt;
  std::uint32_t num_inputs;
};
struct WorkInput {
  TaskId task;
  Location location;
  std::uint32_t flags, reserved;
};
/// Of all outcomes but `done` the culprit and a text follow.
struct OutcomeHead {
  TaskId task;
  Location location;
  DigestSum digest;
  std::uint64_t nanoseconds, bytes_read, bytes_written, cpu_ns, peak_bytes;
  std::int32_t attempt;
  std::uint16_t kind, retryable;
};
static_assert(sizeof(WorkHead) == 24 && sizeof(WorkInput) == 56 && sizeof(OutcomeHead) == 112);

/// A count that a message claims, if it can be true.
std::size_t get_count(const ByteReader& in, std::uint64_t count, std::size_t least_bytes) {
  if (count > in.remaining() / least_bytes)
    throw Error{ErrorCode::io, "a message is truncated (it claims more entries than it has); it is refused"};
  return static_cast<std::size_t>(count);
}

}  // namespace

Bytes encode(const std::vector<Work>& list) {
  ByteWriter out;
  out.put(static_cast<std::uint64_t>(list.size()));
  for (const Work& w : list) {
    out.put(
        WorkHead{w.task, static_cast<std::int32_t>(w.attempt), static_cast<std::uint32_t>(w.inputs.size())});
    for (const auto& [task, result] : w.inputs) out.put(WorkInput{task, result.location, result.flags, 0});
  }
  return out.take();
}

std::vector<Work> decode_work(std::span<const std::byte> bytes) {
  ByteReader in{bytes};
  std::vector<Work> list(get_count(in, in.get<std::uint64_t>(), sizeof(WorkHead)));
  for (Work& w : list) {
    const auto head = in.get<WorkHead>();
    w.task = head.task;
    w.attempt = head.attempt;
    w.inputs.resize(get_count(in, head.num_inputs, sizeof(WorkInput)));
    for (auto& [task, result] : w.inputs) {
      const auto input = in.get<WorkInput>();
      task = input.task;
      result = {input.location, input.flags};
    }
  }
  return list;
}

Bytes encode(const std::vector<TaskOutcome>& list) {
  ByteWriter out;
  out.put(static_cast<std::uint64_t>(list.size()));
  for (const TaskOutcome& o : list) {
    out.put(OutcomeHead{o.task, o.location, o.digest, o.nanoseconds, o.bytes_read, o.bytes_written, o.cpu_ns,
                        o.peak_bytes, static_cast<std::int32_t>(o.attempt),
                        static_cast<std::uint16_t>(o.kind), static_cast<std::uint16_t>(o.retryable ? 1 : 0)});
    if (o.kind == OutcomeKind::done) continue;
    out.put(o.culprit);
    out.put_text(o.text);
  }
  return out.take();
}

std::vector<TaskOutcome> decode_outcomes(std::span<const std::byte> bytes) {
  ByteReader in{bytes};
  std::vector<TaskOutcome> list(get_count(in, in.get<std::uint64_t>(), sizeof(OutcomeHead)));
  for (TaskOutcome& o : list) {
    const auto head = in.get<OutcomeHead>();
    if (head.kind > static_cast<std::uint16_t>(OutcomeKind::fatal))
      throw Error{ErrorCode::io,
                  "a message holds an unknown outcome (the ranks run different versions); use one version"};
    o.task = head.task;
    o.attempt = head.attempt;
    o.kind = static_cast<OutcomeKind>(head.kind);
    o.retryable = head.retryable != 0;
    o.location = head.location;
    o.digest = head.digest;
    o.nanoseconds = head.nanoseconds;
    o.bytes_read = head.bytes_read;
    o.bytes_written = head.bytes_written;
    o.cpu_ns = head.cpu_ns;
    o.peak_bytes = head.peak_bytes;
    if (o.kind == OutcomeKind::done) continue;
    o.culprit = in.get<TaskId>();
    o.text = in.get_text();
  }
  return list;
}

void address(Bytes& message, WorkerId worker) {
  const auto bytes = std::as_bytes(std::span{&worker.value, 1});
  message.insert(message.end(), bytes.begin(), bytes.end());
}

WorkerId take_address(std::span<const std::byte>& message) {
  const std::size_t body = message.size() - std::min(message.size(), sizeof(WorkerId));
  const auto worker = ByteReader{message.subspan(body)}.get<WorkerId>();
  message = message.first(body);
  return worker;
}

Bytes encode(const std::vector<Release>& list) {
  ByteWriter out;
  out.put_vector(list);
  return out.take();
}

std::vector<Release> decode_releases(std::span<const std::byte> bytes) {
  return ByteReader{bytes}.get_vector<Release>();
}

Bytes encode_code(int code) {
  ByteWriter out;
  out.put(static_cast<std::int64_t>(code));
  return out.take();
}

int decode_code(std::span<const std::byte> bytes) {
  return static_cast<int>(ByteReader{bytes}.get<std::int64_t>());
}

}  // namespace petavox::wire
