#include "petavox/io/journal.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/clock.hpp"
#include "petavox/io/journal_format.hpp"
#include "petavox/io/process_identity.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

namespace petavox {

using namespace detail;

namespace {

constexpr std::uint32_t max_generation = std::numeric_limits<std::uint32_t>::max() - 1;

}  // namespace

void detail::append_frame(Bytes& out, std::uint32_t generation, std::uint64_t sequence, RecordType type,
                          std::span<const std::byte> fixed, std::span<const std::byte> text) {
  Frame frame{};
  frame.size_and_type = static_cast<std::uint32_t>(fixed.size() + text.size()) |
                        std::uint32_t{static_cast<std::uint8_t>(type)} << 24;
  frame.sequence = static_cast<std::uint32_t>(sequence);
  const std::size_t start = out.size();
  out.resize(start + sizeof frame + frame.padded_bytes());
  std::byte* payload = out.data() + start + sizeof frame;
  if (!fixed.empty()) std::memcpy(payload, fixed.data(), fixed.size());
  if (!text.empty()) std::memcpy(payload + fixed.size(), text.data(), text.size());
  frame.checksum = frame_checksum(generation, sequence, frame.size_and_type, {payload, frame.padded_bytes()});
  std::memcpy(out.data() + start, &frame, sizeof frame);
}

Bytes detail::encode_header(const JournalHeader& header) {
  ByteWriter out;
  out.put(header.plan);
  out.put_vector(header.steps);
  out.put_text(header.version);
  out.put_text(header.host);
  out.put(header.host_id);
  out.put(header.pid);
  out.put(header.start_ticks);
  out.put(header.unix_time_ns);
  return out.take();
}

std::optional<JournalHeader> detail::decode_header(std::span<const std::byte> payload) {
  try {
    ByteReader in{payload};
    JournalHeader header;
    header.plan = in.get<Hash128>();
    header.steps = in.get_vector<Hash128>();
    header.version = in.get_text();
    header.host = in.get_text();
    header.host_id = in.get<std::uint64_t>();
    header.pid = in.get<std::uint32_t>();
    header.start_ticks = in.get<std::uint64_t>();
    header.unix_time_ns = in.get<std::uint64_t>();
    if (!in.done()) return std::nullopt;
    return header;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string detail::journal_name(std::uint32_t generation) { return "journal/" + std::to_string(generation); }

std::vector<std::uint32_t> detail::list_generations(const OutputRoot& root) {
  std::vector<std::uint32_t> generations;
  for (const std::string& name : root.list("journal")) {
    std::uint32_t generation = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), generation);
    // Only names as we write them: "007" or "7.bak" are none of ours.
    if (error == std::errc{} && generation > 0 && std::to_string(generation) == name)
      generations.push_back(generation);
  }
  std::sort(generations.begin(), generations.end());
  return generations;
}

std::uint32_t newest_generation(const OutputRoot& root) {
  const auto generations = list_generations(root);
  return generations.empty() ? 0 : generations.back();
}

MasterState state_of_newest_master(const OutputRoot& root) {
  const std::uint32_t newest = newest_generation(root);
  if (newest == 0) return MasterState::none;
  const auto header = read_journal_header(root, newest);
  if (!header) return MasterState::unknown;
  switch (state_of(ProcessIdentity{header->host, header->host_id, header->pid, header->start_ticks})) {
    case ProcessState::this_process:
      return MasterState::this_process;
    case ProcessState::alive:
      return MasterState::alive;
    case ProcessState::dead:
      return MasterState::dead;
    case ProcessState::unknown:
      return MasterState::unknown;
  }
  return MasterState::unknown;
}

JournalWriter::JournalWriter(OutputRoot root, File file, std::uint32_t generation, JournalHeader header,
                             std::uint64_t committed)
    : root_{std::move(root)},
      file_{std::move(file)},
      generation_{generation},
      header_{std::move(header)},
      committed_{committed} {}

JournalWriter JournalWriter::acquire(const OutputRoot& root, JournalHeader header) {
  const ProcessIdentity self = this_process();
  header.host = self.host;
  header.host_id = self.host_id;
  header.pid = self.pid;
  header.start_ticks = self.start_ticks;
  header.unix_time_ns = unix_time_ns();
  const Bytes payload = encode_header(header);
  PETAVOX_ASSERT(payload.size() <= max_header_bytes);
  root.make_directories("journal");
  for (std::uint64_t next = std::uint64_t{newest_generation(root)} + 1; next <= max_generation; ++next) {
    const auto generation = static_cast<std::uint32_t>(next);
    // A new file for each number, as the checksums are keyed with it.
    const std::string temporary = root.temporary_name(journal_name(generation));
    try {
      File file = root.create_new(temporary);
      Bytes start(journal_magic.size());
      std::memcpy(start.data(), journal_magic.data(), journal_magic.size());
      append_frame(start, generation, 0, RecordType::header, payload, {});
      file.write_all_at(start, 0);
      file.sync();
      if (root.try_publish_written(temporary, journal_name(generation))) {
        return {root, File{std::move(file), root.path() + "/" + journal_name(generation)}, generation,
                std::move(header), start.size()};
      }
    } catch (...) {
      (void)root.remove(temporary);
      throw;
    }
    (void)root.remove(temporary);
  }
  throw Error{ErrorCode::io, "all generations of " + root.path() +
                                 "/journal are taken (the directory holds a "
                                 "file that no run made); remove it"};
}

void JournalWriter::append(std::uint8_t type, const void* fixed, std::size_t fixed_bytes,
                           std::string_view text) {
  append_frame(pending_, generation_, sequence_++, static_cast<RecordType>(type),
               {static_cast<const std::byte*>(fixed), fixed_bytes}, bytes_of(text.substr(0, max_text_bytes)));
}

void JournalWriter::done(const DoneRecord& record, std::string_view reason) {
  append(static_cast<std::uint8_t>(RecordType::done), &record, sizeof record, reason);
}
void JournalWriter::failed(const AttemptRecord& record, std::string_view text) {
  append(static_cast<std::uint8_t>(RecordType::failed), &record, sizeof record, text);
}
void JournalWriter::lost(const AttemptRecord& record) {
  append(static_cast<std::uint8_t>(RecordType::lost), &record, sizeof record, {});
}
void JournalWriter::quarantined(TaskId task, std::string_view text) {
  append(static_cast<std::uint8_t>(RecordType::quarantined), &task, sizeof task, text);
}
void JournalWriter::invalidated(TaskId task) {
  append(static_cast<std::uint8_t>(RecordType::invalidated), &task, sizeof task, {});
}
void JournalWriter::collected(Stream stream) {
  append(static_cast<std::uint8_t>(RecordType::collected), &stream, sizeof stream, {});
}
void JournalWriter::complete(std::string_view text) {
  append(static_cast<std::uint8_t>(RecordType::complete), nullptr, 0, text);
}
void JournalWriter::note(std::string_view text) {
  append(static_cast<std::uint8_t>(RecordType::note), nullptr, 0, text);
}

void JournalWriter::commit() {
  if (abandoned_)
    throw Error{ErrorCode::io,
                root_.path() + "/" + journal_name(generation_) +
                    " was abandoned after a failed write (what it holds is unknown); run the same "
                    "command again: it resumes"};
  if (pending_.empty()) return;
  try {
    // At a known offset: a piece left by a full disk is overwritten by the next attempt.
    file_.write_all_at(pending_, committed_);
  } catch (const Error& error) {
    abandoned_ = error.code() != ErrorCode::resource;
    throw;
  }
  try {
    file_.sync_data();
  } catch (const Error&) {
    // The kernel may have dropped the pages: a second fdatasync would falsely succeed.
    abandoned_ = true;
    throw;
  }
  committed_ += pending_.size();
  pending_.clear();
}

}  // namespace petavox
