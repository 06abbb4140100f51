#include "petavox/base/check.hpp"
#include "petavox/io/journal_format.hpp"

#include <algorithm>
#include <cerrno>

namespace petavox {

using namespace detail;

namespace {

/// A file seen through one large buffer that moves forward.
class Window {
 public:
  explicit Window(const File& file) : file_{file}, size_{file.size_bytes()} {}

  std::uint64_t size() const { return size_; }
  /// `bytes` bytes at `offset`, or nothing if the file ends before. Offsets must not decrease.
  const std::byte* at(std::uint64_t offset, std::size_t bytes) {
    if (offset - begin_ + bytes <= filled_) return buffer_.data() + (offset - begin_);
    return refill(offset, bytes);
  }

 private:
  const std::byte* refill(std::uint64_t offset, std::size_t bytes) {
    if (offset > size_ || bytes > size_ - offset) return nullptr;
    const std::size_t wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(size_ - offset, std::max<std::size_t>(bytes, read_bytes)));
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    begin_ = offset;
    filled_ = file_.read_at(std::span{buffer_}.first(wanted), offset);
    return filled_ >= bytes ? buffer_.data() : nullptr;  // shorter only if the file shrank meanwhile
  }

  static constexpr std::size_t read_bytes = std::size_t{4} << 20;
  const File& file_;
  std::uint64_t size_, begin_ = 0;
  std::size_t filled_ = 0;
  Bytes buffer_;
};

struct Record {
  RecordType type;
  std::uint64_t sequence;
  std::span<const std::byte> payload;  ///< without padding
  std::size_t frame_bytes;             ///< all of it
};

/// The record at `offset`, if one with number `sequence` or, with `later`, a higher one is there.
/// `hashed` grows by the bytes that were hashed.
std::optional<Record> record_at(Window& window, std::uint64_t offset, std::uint32_t generation,
                                std::uint64_t sequence, bool later, std::uint64_t& hashed) {
  const std::byte* start = window.at(offset, sizeof(Frame));
  if (start == nullptr) return std::nullopt;
  Frame frame;
  std::memcpy(&frame, start, sizeof frame);
  const std::uint32_t ahead = frame.sequence - static_cast<std::uint32_t>(sequence);
  const std::size_t limit = sequence == 0 ? max_header_bytes : sizeof(DoneRecord) + max_text_bytes;
  // A file cannot hold more records than this, so a far greater number is noise.
  if (ahead != 0 && (!later || ahead > window.size() / sizeof(Frame))) return std::nullopt;
  if (frame.payload_bytes() > limit) return std::nullopt;
  const std::size_t frame_bytes = sizeof frame + frame.padded_bytes();
  start = window.at(offset, frame_bytes);
  if (start == nullptr) return std::nullopt;
  const std::span<const std::byte> padded{start + sizeof frame, frame.padded_bytes()};
  hashed += frame_bytes;
  if (frame_checksum(generation, sequence + ahead, frame.size_and_type, padded) != frame.checksum)
    return std::nullopt;
  return Record{frame.type(), sequence + ahead, padded.first(frame.payload_bytes()), frame_bytes};
}

template <class T>
T load(std::span<const std::byte> payload) {
  T value;
  std::memcpy(&value, payload.data(), sizeof value);
  return value;
}

std::string_view text_after(std::span<const std::byte> payload, std::size_t fixed_bytes) {
  return {reinterpret_cast<const char*>(payload.data()) + fixed_bytes, payload.size() - fixed_bytes};
}

/// The bytes that come before the text of a record.
std::size_t fixed_bytes_of(RecordType type) {
  switch (type) {
    case RecordType::done:
      return sizeof(DoneRecord);
    case RecordType::failed:
    case RecordType::lost:
      return sizeof(AttemptRecord);
    case RecordType::quarantined:
    case RecordType::invalidated:
      return sizeof(TaskId);
    case RecordType::collected:
      return sizeof(Stream);
    default:
      return 0;
  }
}

void deliver(const Record& record, JournalVisitor& visitor) {
  const auto text = text_after(record.payload, fixed_bytes_of(record.type));
  switch (record.type) {
    case RecordType::done:
      return visitor.done(load<DoneRecord>(record.payload), text);
    case RecordType::failed:
      return visitor.failed(load<AttemptRecord>(record.payload), text);
    case RecordType::lost:
      return visitor.lost(load<AttemptRecord>(record.payload));
    case RecordType::quarantined:
      return visitor.quarantined(load<TaskId>(record.payload), text);
    case RecordType::invalidated:
      return visitor.invalidated(load<TaskId>(record.payload));
    case RecordType::collected:
      return visitor.collected(load<Stream>(record.payload));
    case RecordType::complete:
      return visitor.complete(text);
    case RecordType::note:
      return visitor.note(text);
    case RecordType::header:
      return;
  }
  // A kind that a later version added: whole, and of no meaning to us.
}

/// Good records behind a bad one at `offset`.
std::uint64_t count_behind(Window& window, std::uint64_t offset, std::uint32_t generation,
                           std::uint64_t sequence) {
  std::uint64_t count = 0, hashed = 0;
  // A hostile file could make every position look like a long record: the work stays proportional to the
  // file.
  const std::uint64_t max_hashed = 16 * window.size() + 4096;
  for (offset += 8; offset + sizeof(Frame) <= window.size() && hashed <= max_hashed;) {
    const auto record = record_at(window, offset, generation, sequence + 1, true, hashed);
    if (!record) {
      offset += 8;
      continue;
    }
    ++count;
    sequence = record->sequence;
    offset += record->frame_bytes;
  }
  return count;
}

/// The header of an open journal file, and its size in bytes.
std::optional<JournalHeader> header_of(Window& window, std::uint32_t generation, std::uint64_t& offset) {
  const std::byte* magic = window.at(0, journal_magic.size());
  if (magic == nullptr || std::memcmp(magic, journal_magic.data(), journal_magic.size()) != 0)
    return std::nullopt;
  offset = journal_magic.size();
  std::uint64_t hashed = 0;
  const auto record = record_at(window, offset, generation, 0, false, hashed);
  if (!record || record->type != RecordType::header) return std::nullopt;
  offset += record->frame_bytes;
  return decode_header(record->payload);
}

void replay_file(const File& file, std::uint32_t generation, const JournalPosition& known,
                 JournalVisitor& visitor, ReplayReport& report) {
  Window window{file};
  std::uint64_t offset = 0;
  const auto header = header_of(window, generation, offset);
  if (!header) {
    ++report.unreadable;
    return;
  }
  const bool wanted = visitor.generation(generation, *header);
  std::uint64_t hashed = 0, sequence = 1;
  if (known.sequence > sequence) {
    offset = known.offset;
    sequence = known.sequence;
  }
  for (; offset < window.size(); ++sequence) {
    const auto record = record_at(window, offset, generation, sequence, false, hashed);
    if (!record || record->payload.size() < fixed_bytes_of(record->type)) {
      const std::uint64_t behind = count_behind(window, offset, generation, sequence);
      report.records_lost += behind;
      if (behind == 0) ++report.torn_tails;
      break;
    }
    if (wanted) deliver(*record, visitor);
    ++report.records;
    offset += record->frame_bytes;
  }
  report.bytes += offset;
  report.ends.push_back({generation, sequence, offset});
}

}  // namespace

std::optional<JournalHeader> read_journal_header(const OutputRoot& root, std::uint32_t generation) {
  const auto file = root.find_for_reading(journal_name(generation));
  if (!file) return std::nullopt;
  Window window{*file};
  std::uint64_t offset = 0;
  return header_of(window, generation, offset);
}

ReplayReport replay_journal(const OutputRoot& root, JournalVisitor& visitor,
                            const std::vector<JournalPosition>& known) {
  ReplayReport report;
  for (const std::uint32_t generation : list_generations(root)) {
    const File file = root.open_for_reading(journal_name(generation));
    ++report.generations;
    JournalPosition from;
    for (const JournalPosition& position : known)
      if (position.generation == generation) from = position;
    replay_file(file, generation, from, visitor, report);
  }
  return report;
}

}  // namespace petavox
