// What the master says of its progress: to whoever asked for it, and to the live file; and the note with
// which a launch ends.

#include "petavox/base/clock.hpp"
#include "petavox/base/log.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/run_record.hpp"

#include <fmt/format.h>

namespace petavox {

void Master::show_progress(bool last) {
  if (!options_.live && !options_.on_progress) return;
  Progress progress;
  progress.generation = generation();
  progress.unix_time_ns = unix_time_ns();
  progress.elapsed_s = std::chrono::duration<double>(now()).count();
  progress.resumed = tasks_resumed_;
  progress.failed = failed_attempts_;
  progress.last = last;
  if (weights_.empty())
    for (const StepCost& cost : plan_.costs())
      weights_.push_back(1 + (cost.bytes_read + cost.bytes_written) /
                                 static_cast<double>(std::max<Index>(1, cost.tasks)));
  for (int s = 0; s < plan_.num_steps(); ++s) {
    const auto i = static_cast<std::size_t>(s);
    const StepCounts counts = scheduler_.counts(s);
    progress.steps.push_back({plan_.step(s).name, counts.total, counts.done, counts.running,
                              counts.quarantined, counts.blocked, totals_[i].run, totals_[i].seconds,
                              weights_[i]});
    progress.bytes += totals_[i].bytes_read + totals_[i].bytes_written;
  }
  if (progress.sum().total == 0) return;
  progress.workers = scheduler_.num_workers();
  if (const auto oldest = scheduler_.oldest(now()); oldest && !last) {
    progress.slowest =
        fmt::format("rank {}: {}", rank_of(oldest->worker, threads()), plan_.describe(oldest->task));
    progress.slowest_s = std::chrono::duration<double>(oldest->age).count();
  }
  meter_.update(progress);
  if (options_.live) live_.write(progress);
  if (options_.on_progress) options_.on_progress(progress);
}

// For readers of the directory; a resume does not need it, so that it may fail.
void Master::note_end(ExitCode code) {
  try {
    journal_.note(end_note(code));
    journal_.commit();
  } catch (const Error& error) {
    log::debug(error.what());
  }
}

}  // namespace petavox
