#include "apps/petavox/supervisor.hpp"

#include "petavox/base/clock.hpp"
#include "petavox/base/log.hpp"
#include "petavox/base/units.hpp"

#include "apps/petavox/launched_process.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

namespace petavox::app {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto beat = std::chrono::milliseconds{100};
constexpr auto look_interval = std::chrono::seconds{1};
constexpr auto kill_grace = std::chrono::seconds{10};
/// How many times longer than for its end a command is waited for whose processes are gone: starting them
/// elsewhere takes time.
constexpr int alone_graces = 5;
/// Segments are made when MPI is opened: looking for them for so long is enough, ever more seldom.
constexpr auto segments_looked_for = std::chrono::minutes{2};
constexpr int config_code = static_cast<int>(ExitCode::config), io_code = static_cast<int>(ExitCode::io),
              interrupted_code = static_cast<int>(ExitCode::interrupted);

/// What the directory says; nothing if the run has not begun.
struct Standing {
  std::uint32_t generation = 0;
  std::optional<ExitCode> ended;
  Index done = 0, lost = 0;
  bool works = false;  ///< a master says that it is at work, here or elsewhere
};

class Directory {
 public:
  explicit Directory(std::string path) : path_{std::move(path)} {}
  Standing look() {
    try {
      if (!reader_) {
        if (!std::filesystem::exists(path_)) return {};
        reader_.emplace(OutputRoot::open(path_));
      }
      const RunStatus status = reader_->read();
      const StepStatus sum = status.sum();
      return {status.generation, status.ended, sum.done, sum.lost, status.state == RunState::running};
    } catch (const Error&) {
      return {};  // not begun, or a file system that does not answer: the command will say so
    }
  }
  void record(const LaunchRecord& launch) {
    try {
      append_launch(OutputRoot::create(path_), launch);
    } catch (const Error& error) {
      log::warning(std::string{error.what()} + " (this launch is not on record; the run is not disturbed)");
    }
  }

 private:
  std::string path_;
  std::optional<StatusReader> reader_;
};

/// Requests to stop, each more pressing than the one before.
struct StopRequest {
  int count = 0;        ///< of SIGINT, SIGTERM and SIGHUP
  bool warned = false;  ///< SIGUSR1: the job is about to reach its limit
  bool any() const { return count > 0 || warned; }
  void take(int number) {
    if (number == SIGUSR1)
      warned = true;
    else
      ++count;
  }
};

std::string command_text(const std::vector<std::string>& command) {
  return fmt::format("{}", fmt::join(command, " "));
}

/// One launch, from its start until nothing of it is left.
class Launch {
 public:
  Launch(const SuperviseOptions& options, const WatchedSignals& signals, Directory& directory,
         const Standing& before, StopRequest& stop)
      : options_{options}, signals_{signals}, directory_{directory}, before_{before}, stop_{stop} {}

  LaunchEnd run(bool& forced) {
    SharedSegments segments;
    LaunchedProcess process{options_.command};
    begin_ = Clock::now();
    auto looked = begin_, noted = begin_;
    while (!process.poll()) {
      if (const auto number = signals_.wait(beat)) take(*number, process);
      const auto now = Clock::now();
      if (now - noted >= std::max<Clock::duration>(beat, (now - begin_) / 10) &&
          now - begin_ < segments_looked_for) {
        segments.note(process.pid());
        noted = now;
      }
      if (now - looked >= look_interval) {
        looked = now;
        const Standing standing = directory_.look();
        if (!over_ && ended_here(standing)) over_ = now;
        look_for_processes(process, standing, now);
      }
      press(process, now);
    }
    process.reap(term_sent_ ? std::chrono::milliseconds{500} : std::chrono::milliseconds{kill_grace});
    for (const std::string& name : segments.remove_leaked())
      log::info("removed " + name + ", left by a killed launch");
    forced = term_sent_.has_value();
    LaunchEnd end;
    end.exit_code = *process.poll();
    const Standing after = directory_.look();
    if (ended_here(after)) end.recorded = after.ended;
    end.was_complete = before_.ended == ExitCode::done;
    end.asked = stop_.any();
    end.progressed = after.done > before_.done || after.lost > before_.lost;
    return end;
  }

 private:
  bool ended_here(const Standing& now) const {
    return now.generation > before_.generation && now.ended.has_value();
  }

  void take(int number, LaunchedProcess& process) {
    const bool first = !stop_.any();
    stop_.take(number);
    if (first) {
      log::info("asked to stop: the run finishes the blocks at hand");
      asked_ = Clock::now();
      process.signal(SIGUSR1);  // mpirun and srun pass it on, and do not end the ranks as after SIGTERM
    } else if (stop_.count == 2) {
      asked_ = Clock::now() - std::chrono::hours{24};
    } else if (stop_.count > 2) {
      process.signal_all(SIGKILL);
    }
  }

  /// mpirun may stay for ever when a rank is killed while it takes leave or has just begun.
  void look_for_processes(const LaunchedProcess& process, const Standing& standing, Clock::time_point now) {
    if (has_living_below(process.pid())) {
      had_processes_ = true;
      alone_.reset();
    } else if (!had_processes_ || standing.works) {
      alone_.reset();  // its processes are on other machines, perhaps
    } else if (!alone_) {
      alone_ = now;
    }
  }

  // A command that does not end by itself is ended, politely first.
  void press(LaunchedProcess& process, Clock::time_point now) {
    const auto after = [](double s) { return std::chrono::duration<double>{s}; };
    const bool late = (asked_ && now - *asked_ > after(options_.stop_grace_s)) ||
                      (over_ && now - *over_ > after(options_.end_grace_s)) ||
                      (alone_ && now - *alone_ > after(alone_graces * options_.end_grace_s));
    if (late && !term_sent_) {
      log::warning(over_ ? "the run has ended, but its command has not; it is ended"
                   : alone_
                       ? "no process of the launch is left, but its command does not end; it is ended"
                       : "the run did not stop in time; it is ended (at most the blocks at hand are lost)");
      term_sent_ = now;
      process.signal(SIGTERM);
    } else if (term_sent_ && now - *term_sent_ > kill_grace) {
      process.signal_all(SIGKILL);
      term_sent_ = now;
    }
  }

  const SuperviseOptions& options_;
  const WatchedSignals& signals_;
  Directory& directory_;
  const Standing& before_;
  StopRequest& stop_;
  Clock::time_point begin_;
  bool had_processes_ = false;
  std::optional<Clock::time_point> asked_, over_, alone_, term_sent_;
};

double unix_s() { return static_cast<double>(unix_time_ns()) * 1e-9; }

/// Waits before the next launch; false if asked to stop meanwhile.
bool wait(double seconds, const WatchedSignals& signals, StopRequest& stop) {
  const auto until = Clock::now() + std::chrono::duration<double>{seconds};
  while (Clock::now() < until && !stop.any())
    if (const auto number = signals.wait(beat)) stop.take(*number);
  return !stop.any();
}

void requeue(const WatchedSignals& signals) {
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr) {
    log::warning("--requeue has no effect outside a Slurm job; submit the same command again to resume");
    return;
  }
  log::info(fmt::format("asking Slurm to run job {} again", job));
  try {
    LaunchedProcess scontrol{{"scontrol", "requeue", job}};
    while (!scontrol.poll()) (void)signals.wait(beat);
    if (*scontrol.poll() != 0)
      log::error(
          fmt::format("Slurm did not requeue job {} (is it allowed here?); submit it again to resume", job));
  } catch (const Error& error) {
    log::error(error.what());
  }
}

}  // namespace

Decision RelaunchPolicy::after(const LaunchEnd& end) {
  using Kind = Decision::Kind;
  if (end.recorded == ExitCode::done || (end.was_complete && end.exit_code == 0)) return {Kind::finish, 0, 0};
  if (end.recorded == ExitCode::failed_blocks) return {Kind::finish, static_cast<int>(*end.recorded), 0};
  if (end.asked || end.recorded == ExitCode::interrupted || end.exit_code == interrupted_code)
    return {Kind::finish, interrupted_code, 0};
  // A wrong configuration is as wrong the next time.
  if (end.exit_code == config_code) return {Kind::finish, config_code, 0};
  stuck_ = end.progressed ? 0 : stuck_ + 1;
  if (stuck_ >= tries_) return {Kind::give_up, io_code, 0};
  return {Kind::relaunch, 0, std::min(longest_wait_s_, first_wait_s_ * std::exp2(std::min(stuck_, 30)))};
}

int supervise(const SuperviseOptions& options) {
  const WatchedSignals signals;
  Directory directory{options.directory};
  RelaunchPolicy policy{options.tries, options.first_wait_s, options.longest_wait_s};
  StopRequest stop;
  for (int number = 1;; ++number) {
    const Standing before = directory.look();
    log::info(fmt::format("launch {}: {}", number, command_text(options.command)));
    LaunchRecord record{number, unix_s(), 0, 0, false, false, before.done, 0};
    LaunchEnd end = Launch{options, signals, directory, before, stop}.run(record.ended_by_force);
    const Standing after = directory.look();
    record.ended_unix_s = unix_s();
    record.exit_code = end.recorded ? static_cast<int>(*end.recorded) : end.exit_code;
    record.asked_to_stop = end.asked;
    record.done_after = after.done;
    if (end.exit_code != config_code) directory.record(record);
    const Decision decision = policy.after(end);
    const std::string launches = fmt::format("{} launch{}", number, number == 1 ? "" : "es");
    if (decision.kind == Decision::Kind::finish) {
      log::info(fmt::format("{} after {} ({} tasks done)",
                            decision.code == 0 ? "complete"
                            : decision.code == interrupted_code
                                ? "stopped"
                                : fmt::format("ended with exit code {}", decision.code),
                            launches, after.done));
      if (decision.code == interrupted_code && options.requeue && stop.warned) requeue(signals);
      return decision.code;
    }
    if (decision.kind == Decision::Kind::give_up) {
      log::error(fmt::format(
          "launch {} ended with exit code {}, and {} in a row made no progress (starting again does "
          "not help); see the messages above and {}/logs, remove the cause, then run the same command",
          number, end.exit_code, policy.without_progress(), options.directory));
      return decision.code;
    }
    log::warning(
        fmt::format("launch {} ended with exit code {}, {} tasks done so far; the next one begins in {}",
                    number, end.exit_code, after.done, duration_text(decision.wait_s)));
    if (!wait(decision.wait_s, signals, stop)) {
      if (options.requeue && stop.warned) requeue(signals);
      return interrupted_code;
    }
  }
}

}  // namespace petavox::app
