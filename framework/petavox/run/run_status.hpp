#pragma once
// How a run stands, read from its directory by anyone who may read it: on the master's host or another, while
// the run works and after. Reads snapshot and journals without a lock and writes nothing, so that the run is
// not disturbed; a torn tail of a journal is what a reader meets while a master writes.

#include "petavox/io/finished_tasks.hpp"
#include "petavox/io/journal.hpp"
#include "petavox/io/process_identity.hpp"
#include "petavox/run/progress.hpp"
#include "petavox/run/run_record.hpp"

#include <map>
#include <memory>

namespace petavox {

enum class RunState {
  running,  ///< its master is seen to live, or has given a sign of life within a minute
  silent,   ///< its master is on another host and has given none: it works on something long, or is gone
  stopped,  ///< on request, or because its processes died: the same command resumes it
  failed,   ///< it ended with failed blocks or an error
  complete,
};
/// "running", …
const char* name_of(RunState state) noexcept;

struct StepStatus {
  std::string name, kind;
  Index total = 0, done = 0, skipped = 0;
  Index running = 0, blocked = 0;  ///< as the live file says; 0 if the run does not work
  Index failed = 0;                ///< attempts that failed, in all launches
  Index lost = 0;                  ///< attempts during which the worker died or was given up, in all launches
  Index quarantined = 0;           ///< tasks that are set aside
  double seconds = 0;              ///< of workers, for what is done
};

struct RunStatus {
  RunState state = RunState::stopped;
  std::string why;  ///< one sentence
  std::vector<StepStatus> steps;
  std::uint32_t generation = 0;  ///< of the newest launch
  std::uint32_t launches = 0;    ///< that took up the run
  std::vector<LaunchRecord> supervised;
  std::optional<ExitCode> ended;  ///< how the newest launch says that it ended
  std::string host;               ///< of the newest master
  std::uint32_t pid = 0;
  double started_unix_s = 0;      ///< of the newest launch
  double last_record_unix_s = 0;  ///< when something was last journaled
  double read_unix_s = 0;         ///< when this was read
  double tasks_per_s = 0, bytes_per_s = 0;
  double left_s = -1;  ///< negative: not known
  std::string slowest;
  double slowest_s = 0;
  std::vector<std::string> failures;  ///< the last few texts
  std::uint64_t records_lost = 0;     ///< of damaged journals

  StepStatus sum() const;
};

/// Reads again and again at the cost of what is new. Not synchronised.
class StatusReader {
 public:
  explicit StatusReader(const OutputRoot& root) : root_{root} {}
  /// Throws Error{io} if this is no directory of a run.
  RunStatus read();

 private:
  class Visitor;
  struct Counts {
    Index skipped = 0, failed = 0, lost = 0;
    double seconds = 0;
  };
  void begin(RunRecord record);
  RunState judge(const std::optional<JournalHeader>& header, const std::optional<Progress>& live,
                 RunStatus& status) const;

  OutputRoot root_;
  RunRecord record_;
  FinishedTasks finished_;
  std::vector<Counts> counts_;
  std::vector<JournalPosition> ends_;
  std::map<TaskId, int> charges_;              // of tasks on which workers died
  std::map<TaskId, std::uint32_t> set_aside_;  // quarantined, and in which generation
  std::vector<std::string> failures_;
  std::map<std::uint32_t, ExitCode> ended_;  // generation -> how it ended
  std::map<std::uint32_t, Index> run_in_;    // generation -> tasks done
};

}  // namespace petavox
