#pragma once
// The master's record of what happened: "journal/<generation>", one append-only file for each launch.
// A launch takes the next free generation by making its file under a name of its own and linking it to the
// number; it never writes to another's. Records carry a checksum keyed with generation and sequence number,
// so a torn tail, or a piece of another file, is never taken for a record. docs/formats.md has the bytes.

#include "petavox/base/hash.hpp"
#include "petavox/base/task_id.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/io/pack.hpp"
#include "petavox/volume/digest.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox {

/// Who wrote a generation, and for which plan.
struct JournalHeader {
  Hash128 plan;  ///< fingerprint of the whole plan
  std::vector<Hash128>
      steps;                  ///< fingerprint of each step, so that unchanged steps can be kept; may be empty
  std::string version;        ///< of petavox
  std::string host;           ///< filled in by acquire(), as are the following
  std::uint64_t host_id = 0;  ///< hash of the boot and the process-id namespace
  std::uint32_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< when the process started, as /proc says
  std::uint64_t unix_time_ns = 0;
};

inline constexpr std::uint32_t done_skipped = 1;  ///< DoneRecord::flags: nothing was written, it reads as 0

struct DoneRecord {
  TaskId task;
  std::uint32_t attempt = 0, worker = 0;
  Location location;
  DigestSum digest;
  std::uint64_t nanoseconds = 0;  ///< that the attempt took
  std::uint32_t flags = 0;
  std::uint32_t end_ms = 0;  ///< when it was reported, since the time in the header; 0 in old journals
  friend constexpr bool operator==(const DoneRecord&, const DoneRecord&) = default;
};
static_assert(sizeof(DoneRecord) == 88, "stored as it is");

struct AttemptRecord {
  TaskId task;
  std::uint32_t attempt = 0, worker = 0;
  friend constexpr bool operator==(const AttemptRecord&, const AttemptRecord&) = default;
};
static_assert(sizeof(AttemptRecord) == 24, "stored as it is");

/// What a replay calls, record by record, in the order of generations and of writing. Texts are valid during
/// the call only. Which of several Done records of a task counts is for FinishedTasks to say.
class JournalVisitor {
 public:
  virtual ~JournalVisitor() = default;
  /// Before the records of a generation. False: they are left out (a plan that is not ours).
  virtual bool generation(std::uint32_t /*generation*/, const JournalHeader& /*header*/) { return true; }
  virtual void done(const DoneRecord& /*record*/, std::string_view /*reason*/) {}
  virtual void failed(const AttemptRecord& /*record*/, std::string_view /*text*/) {}
  virtual void lost(const AttemptRecord& /*record*/) {}
  virtual void quarantined(TaskId /*task*/, std::string_view /*text*/) {}
  virtual void invalidated(TaskId /*task*/) {}
  virtual void collected(Stream /*stream*/) {}
  virtual void complete(std::string_view /*text*/) {}
  virtual void note(std::string_view /*text*/) {}
};

/// A place between two records of a journal.
struct JournalPosition {
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;  ///< number of the record that begins there
  std::uint64_t offset = 0;    ///< in bytes
  friend constexpr bool operator==(const JournalPosition&, const JournalPosition&) = default;
};
static_assert(sizeof(JournalPosition) == 24, "stored as it is");

struct ReplayReport {
  std::uint32_t generations = 0;      ///< files read
  std::uint64_t records = 0;          ///< headers not counted
  std::uint64_t bytes = 0;            ///< of whole records
  std::uint32_t torn_tails = 0;       ///< files that end in a piece of a record: normal after a crash
  std::uint64_t records_lost = 0;     ///< good records behind a bad one, not used: a damaged file, warn
  std::uint32_t unreadable = 0;       ///< files without a good header
  std::vector<JournalPosition> ends;  ///< behind the last record read of each file
};

/// Reads all generations. Never trusts a length; memory does not grow with the journal. What lies before the
/// positions in `known` is left out; the headers are reported all the same. Throws Error{io} if a file cannot
/// be read at all.
ReplayReport replay_journal(const OutputRoot& root, JournalVisitor& visitor,
                            const std::vector<JournalPosition>& known = {});

/// The highest generation that exists, 0 if there is none. An older master that sees a newer one stops.
std::uint32_t newest_generation(const OutputRoot& root);

/// Nothing if the file does not exist or has no good header.
std::optional<JournalHeader> read_journal_header(const OutputRoot& root, std::uint32_t generation);

enum class MasterState {
  none,          ///< there is no journal
  this_process,  ///< it is ours
  dead,          ///< it ran on this host and does so no more
  alive,         ///< it runs on this host
  unknown,       ///< another host, or another boot of this one: cannot be seen from here
};
/// Whether the master of the newest generation still runs. Advice for people: safety does not rest on it.
MasterState state_of_newest_master(const OutputRoot& root);

/// Not synchronised: the master's one thread writes.
class JournalWriter {
 public:
  /// Takes the next generation; the header is durable on return. Of any number of processes that do so at
  /// once, each gets a generation of its own.
  static JournalWriter acquire(const OutputRoot& root, JournalHeader header);

  std::uint32_t generation() const { return generation_; }
  const JournalHeader& header() const { return header_; }

  // Records are kept in memory until commit(). Texts are cut at 64 KiB.
  void done(const DoneRecord& record, std::string_view reason = {});
  void failed(const AttemptRecord& record, std::string_view text);
  void lost(const AttemptRecord& record);
  void quarantined(TaskId task, std::string_view text);
  void invalidated(TaskId task);
  /// All results in the stream have been read by all that ever will: its packs are being deleted. The tasks
  /// stay done; who needs such a result after all invalidates its task.
  void collected(Stream stream);
  void complete(std::string_view text);
  void note(std::string_view text);

  /// Writes what was recorded and makes it durable (fdatasync). A full disk leaves the records pending, and
  /// the call may be repeated; after any other failure the generation is abandoned: commit() throws Error{io}
  /// from then on, and the run must be started again.
  void commit();
  std::size_t pending_bytes() const { return pending_.size(); }
  /// Behind the last record; expects that nothing is pending.
  JournalPosition position() const { return {generation_, sequence_, committed_}; }
  std::uint64_t size_bytes() const { return committed_; }

  /// True if another master has taken a later generation: stop handing out work.
  bool superseded() const { return newest_generation(root_) > generation_; }

 private:
  JournalWriter(OutputRoot root, File file, std::uint32_t generation, JournalHeader header,
                std::uint64_t committed);
  void append(std::uint8_t type, const void* fixed, std::size_t fixed_bytes, std::string_view text);

  OutputRoot root_;
  File file_;
  std::uint32_t generation_;
  JournalHeader header_;
  Bytes pending_;
  std::uint64_t committed_ = 0;
  std::uint64_t sequence_ = 1;
  bool abandoned_ = false;
};

}  // namespace petavox
