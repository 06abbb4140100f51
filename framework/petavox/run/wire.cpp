#include "petavox/run/wire.hpp"

namespace petavox::wire {
namespace {

std::uint64_t get_count(ByteReader& in, std::size_t least_bytes) {
  const auto count = in.get<std::uint64_t>();
  if (count > in.remaining() / least_bytes)
    throw Error{ErrorCode::io, "a message is truncated (it claims more entries than it has); it is refused"};
  return count;
}

}  // namespace

Bytes encode(const std::vector<Work>& list) {
  ByteWriter out;
  out.put(static_cast<std::uint64_t>(list.size()));
  for (const Work& w : list) {
    out.put(w.task);
    out.put(static_cast<std::int64_t>(w.attempt));
    out.put(static_cast<std::uint64_t>(w.inputs.size()));
    for (const auto& [task, result] : w.inputs) {
      out.put(task);
      out.put(result.location);
      out.put(static_cast<std::uint64_t>(result.flags));
    }
  }
  return out.take();
}

std::vector<Work> decode_work(std::span<const std::byte> bytes) {
  ByteReader in{bytes};
  std::vector<Work> list(static_cast<std::size_t>(get_count(in, sizeof(TaskId))));
  for (Work& w : list) {
    w.task = in.get<TaskId>();
    w.attempt = static_cast<int>(in.get<std::int64_t>());
    w.inputs.resize(static_cast<std::size_t>(get_count(in, sizeof(TaskId) + sizeof(Location))));
    for (auto& [task, result] : w.inputs) {
      task = in.get<TaskId>();
      result.location = in.get<Location>();
      result.flags = static_cast<std::uint32_t>(in.get<std::uint64_t>());
    }
  }
  return list;
}

Bytes encode(const std::vector<TaskOutcome>& list) {
  ByteWriter out;
  out.put(static_cast<std::uint64_t>(list.size()));
  for (const TaskOutcome& o : list) {
    out.put(o.task);
    out.put(static_cast<std::int64_t>(o.attempt));
    out.put(static_cast<std::uint32_t>(o.kind));
    out.put(static_cast<std::uint32_t>(o.retryable ? 1 : 0));
    out.put(o.location);
    out.put(o.digest);
    out.put(o.nanoseconds);
    out.put(o.bytes_read);
    out.put(o.bytes_written);
    out.put(o.culprit);
    out.put_text(o.text);
  }
  return out.take();
}

std::vector<TaskOutcome> decode_outcomes(std::span<const std::byte> bytes) {
  ByteReader in{bytes};
  std::vector<TaskOutcome> list(static_cast<std::size_t>(get_count(in, sizeof(TaskId))));
  for (TaskOutcome& o : list) {
    o.task = in.get<TaskId>();
    o.attempt = static_cast<int>(in.get<std::int64_t>());
    const auto kind = in.get<std::uint32_t>();
    if (kind > static_cast<std::uint32_t>(OutcomeKind::fatal))
      throw Error{ErrorCode::io,
                  "a message holds an unknown outcome (the ranks run different versions); use one version"};
    o.kind = static_cast<OutcomeKind>(kind);
    o.retryable = in.get<std::uint32_t>() != 0;
    o.location = in.get<Location>();
    o.digest = in.get<DigestSum>();
    o.nanoseconds = in.get<std::uint64_t>();
    o.bytes_read = in.get<std::uint64_t>();
    o.bytes_written = in.get<std::uint64_t>();
    o.culprit = in.get<TaskId>();
    o.text = in.get_text();
  }
  return list;
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
