#include "petavox/io/running_slots.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/clock.hpp"
#include "petavox/io/process_identity.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>

#include <sys/mman.h>

namespace petavox {
namespace {

constexpr std::array<char, 8> slots_magic{'P', 'V', 'X', 'R', 'U', 'N', 'S', '1'};
constexpr std::uint32_t max_slots = 1024;

struct FileHeader {
  std::array<char, 8> magic;
  std::uint32_t generation, rank, num_slots, pid;
  std::uint64_t host_id, start_ticks;
  std::uint64_t interrupted_unix_ns;  ///< 0: no signal yet
  std::array<char, 80> host;          ///< zero-terminated
};
static_assert(sizeof(FileHeader) == 128);

struct SlotRecord {
  std::int64_t step, index;
  std::uint32_t attempt, state;
  std::uint64_t started_unix_ns, ended_unix_ns;
};
static_assert(sizeof(SlotRecord) == 40);

// Lock-free, hence fit for signal handlers.
static_assert(std::atomic_ref<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);

FileHeader& header_of(std::byte* mapping) { return *reinterpret_cast<FileHeader*>(mapping); }
SlotRecord& slot_of(std::byte* mapping, std::uint32_t slot) {
  return reinterpret_cast<SlotRecord*>(mapping + sizeof(FileHeader))[slot];
}

std::string running_name(std::uint32_t generation, std::uint32_t rank) {
  return "running/" + std::to_string(generation) + "." + std::to_string(rank);
}

struct FileId {
  std::uint32_t generation, rank;
};
/// Nothing unless the name is one that we write.
std::optional<FileId> parse_name(const std::string& name) {
  FileId id{};
  const char* end = name.data() + name.size();
  const auto dot = std::from_chars(name.data(), end, id.generation);
  if (dot.ec != std::errc{} || dot.ptr == end || *dot.ptr != '.') return std::nullopt;
  const auto last = std::from_chars(dot.ptr + 1, end, id.rank);
  if (last.ec != std::errc{} || running_name(id.generation, id.rank) != "running/" + name)
    return std::nullopt;
  return id;
}

/// Nothing if the bytes are no such file.
std::optional<RunningFile> parse(const Bytes& bytes, FileId id) {
  FileHeader header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != slots_magic || header.generation != id.generation || header.rank != id.rank ||
      header.num_slots > max_slots || bytes.size() != sizeof header + header.num_slots * sizeof(SlotRecord))
    return std::nullopt;
  RunningFile file{header.generation, header.rank, header.pid, {}, {}};
  file.host.assign(header.host.data(), ::strnlen(header.host.data(), header.host.size()));
  for (std::uint32_t i = 0; i < header.num_slots; ++i) {
    SlotRecord record;
    std::memcpy(&record, bytes.data() + sizeof header + i * sizeof record, sizeof record);
    if (record.state == static_cast<std::uint32_t>(SlotState::idle)) continue;
    if (record.state > static_cast<std::uint32_t>(SlotState::finished) || record.step < 0 || record.index < 0)
      return std::nullopt;
    file.slots.push_back({{record.step, record.index},
                          record.attempt,
                          static_cast<SlotState>(record.state),
                          record.started_unix_ns,
                          record.ended_unix_ns});
  }
  return file;
}

}  // namespace

RunningSlots::RunningSlots(const OutputRoot& root, std::uint32_t generation, std::uint32_t rank,
                           std::uint32_t num_slots)
    : mapping_bytes_{sizeof(FileHeader) + num_slots * sizeof(SlotRecord)}, num_slots_{num_slots} {
  PETAVOX_ASSERT(num_slots >= 1 && num_slots <= max_slots);
  const ProcessIdentity self = this_process();
  FileHeader header{slots_magic,  generation,       rank, num_slots, self.pid,
                    self.host_id, self.start_ticks, 0,    {}};
  std::memcpy(header.host.data(), self.host.data(), std::min(self.host.size(), header.host.size() - 1));
  Bytes start(mapping_bytes_);
  std::memcpy(start.data(), &header, sizeof header);

  root.make_directories("running");
  File file = root.create_new(running_name(generation, rank));
  // Written and synced before it is mapped: a store into a page that has no room on the disk is a SIGBUS.
  file.write_all_at(start, 0);
  file.sync();
  root.sync_directory("running");
  void* mapped = ::mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0);
  if (mapped == MAP_FAILED) throw system_error("map", file.path(), errno);
  mapping_ = static_cast<std::byte*>(mapped);
}

RunningSlots::~RunningSlots() { ::munmap(mapping_, mapping_bytes_); }

// The process can die between any two stores: the state is taken back first and set last. No field is stored
// before the state is: a release store stays behind all stores before it.
void RunningSlots::start(std::uint32_t slot, TaskId task, std::uint32_t attempt) noexcept {
  if (slot >= num_slots_) return;
  SlotRecord& record = slot_of(mapping_, slot);
  const std::atomic_ref state{record.state};
  state.store(static_cast<std::uint32_t>(SlotState::idle), std::memory_order_seq_cst);
  std::atomic_ref{record.step}.store(task.step, std::memory_order_release);
  std::atomic_ref{record.index}.store(task.index, std::memory_order_release);
  std::atomic_ref{record.attempt}.store(attempt, std::memory_order_release);
  std::atomic_ref{record.started_unix_ns}.store(unix_time_ns(), std::memory_order_release);
  std::atomic_ref{record.ended_unix_ns}.store(0, std::memory_order_release);
  state.store(static_cast<std::uint32_t>(SlotState::running), std::memory_order_seq_cst);
  // After a signal the process may be killed at any time: what it still begins is not to blame either.
  if (std::atomic_ref{header_of(mapping_).interrupted_unix_ns}.load() != 0) mark_interrupted();
}

void RunningSlots::finish(std::uint32_t slot) noexcept {
  if (slot >= num_slots_) return;
  SlotRecord& record = slot_of(mapping_, slot);
  std::atomic_ref{record.ended_unix_ns}.store(unix_time_ns());
  std::atomic_ref{record.state}.store(static_cast<std::uint32_t>(SlotState::finished),
                                      std::memory_order_seq_cst);
}

void RunningSlots::mark_interrupted() noexcept {
  const std::uint64_t now = unix_time_ns();
  std::uint64_t never = 0;
  std::atomic_ref{header_of(mapping_).interrupted_unix_ns}.compare_exchange_strong(never, now);
  for (std::uint32_t i = 0; i < num_slots_; ++i) {
    SlotRecord& record = slot_of(mapping_, i);
    auto running = static_cast<std::uint32_t>(SlotState::running);
    if (std::atomic_ref{record.state}.compare_exchange_strong(
            running, static_cast<std::uint32_t>(SlotState::interrupted)))
      std::atomic_ref{record.ended_unix_ns}.store(now);
  }
}

std::optional<RunningFile> read_running_file(const OutputRoot& root, std::uint32_t generation,
                                             std::uint32_t rank) {
  try {
    return parse(
        root.read_file(running_name(generation, rank), sizeof(FileHeader) + max_slots * sizeof(SlotRecord)),
        {generation, rank});
  } catch (const Error&) {
    return std::nullopt;  // the news in it is a hint, and no reason to stop a run
  }
}

RunningReport read_running_files(const OutputRoot& root, std::uint32_t before_generation) {
  RunningReport report;
  for (const std::string& name : root.list("running")) {
    const auto id = parse_name(name);
    if (id && id->generation >= before_generation) continue;
    std::optional<RunningFile> file;
    if (id) file = read_running_file(root, id->generation, id->rank);
    if (file)
      report.files.push_back(std::move(*file));
    else
      report.unreadable.push_back(name);
  }
  std::sort(report.files.begin(), report.files.end(), [](const RunningFile& a, const RunningFile& b) {
    return std::pair{a.generation, a.rank} < std::pair{b.generation, b.rank};
  });
  return report;
}

void remove_running_files(const OutputRoot& root, std::uint32_t before_generation) {
  for (const std::string& name : root.list("running"))
    if (const auto id = parse_name(name); id && id->generation < before_generation)
      root.remove("running/" + name);
}

}  // namespace petavox
