// Several workers in one rank: threads that run tasks, and one that carries messages.

#include "petavox/base/check.hpp"
#include "petavox/base/log.hpp"
#include "petavox/run/wire.hpp"
#include "petavox/run/worker.hpp"

#include <algorithm>

namespace petavox {
namespace {

constexpr auto longest_beat = std::chrono::seconds{5};
/// How long a stopping rank waits for the tasks at hand: less than the master waits for the rank.
constexpr auto stop_grace = std::chrono::seconds{7};

}  // namespace

WorkerTeam::WorkerTeam(Workplace& place) : rank_{place.rank}, threads_{place.threads} {
  for (int thread = 0; thread < threads_; ++thread)
    workers_.push_back(std::make_unique<LocalWorker>(place, thread));
}

void WorkerTeam::give(WorkerId worker, std::vector<Work> work) {
  PETAVOX_ASSERT(worker.value >= 0 && rank_of(worker, threads_) == rank_);
  workers_[static_cast<std::size_t>(thread_of(worker, threads_))]->give(std::move(work));
}

void WorkerTeam::release(const std::vector<Release>& list) {
  for (const auto& worker : workers_) worker->release(list);
}

std::vector<std::pair<WorkerId, std::vector<TaskOutcome>>> WorkerTeam::take() {
  std::vector<std::pair<WorkerId, std::vector<TaskOutcome>>> all;
  for (int thread = 0; thread < threads_; ++thread) {
    auto outcomes = workers_[static_cast<std::size_t>(thread)]->take();
    if (!outcomes.empty()) all.emplace_back(worker_of(rank_, thread, threads_), std::move(outcomes));
  }
  return all;
}

bool WorkerTeam::idle() {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->idle(); });
}

bool WorkerTeam::stop(std::chrono::milliseconds timeout) {
  // All are told before any is waited for.
  for (const auto& worker : workers_) worker->stop(std::chrono::milliseconds{0});
  const auto end = steady_now() + timeout;
  bool all = true;
  for (const auto& worker : workers_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_now());
    all = worker->stop(std::max(left, std::chrono::milliseconds{0})) && all;
  }
  return all;
}

TeamOutcome serve_as_team(Communicator& comm, WorkerTeam& team, std::chrono::duration<double> lease) {
  constexpr int master = 0;
  const auto beat_interval = std::min<std::chrono::duration<double>>(longest_beat, lease / 4);
  comm.send(master, wire::hello, {});
  auto last_heard = steady_now(), last_beat = last_heard;
  const auto report = [&] {
    bool any = false;
    for (const auto& [worker, outcomes] : team.take()) {
      Bytes message = wire::encode(outcomes);
      wire::address(message, worker);
      comm.send(master, wire::outcome, std::move(message));
      any = true;
    }
    return any;
  };
  bool busy = true;
  while (true) {
    auto timeout = std::chrono::microseconds{busy ? 100 : 1000};
    while (const auto message = comm.poll(timeout)) {
      timeout = std::chrono::microseconds{0};
      if (message->from != master) continue;
      last_heard = steady_now();
      if (message->tag == wire::work) {
        std::span<const std::byte> body = message->bytes;
        const WorkerId worker = wire::take_address(body);
        team.give(worker, wire::decode_work(body));
      }
      if (message->tag == wire::release) team.release(wire::decode_releases(message->bytes));
      if (message->tag == wire::stop) {
        const TeamOutcome outcome{wire::decode_code(message->bytes), team.stop(stop_grace)};
        report();
        if (outcome.all_left) comm.send(master, wire::stop, {});
        comm.flush(std::chrono::seconds{5});
        // A rank that does not answer is ended by the master when it has finished. Leaving first, without
        // MPI_Finalize, would make the launcher end the master.
        if (!outcome.all_left) std::this_thread::sleep_for(max_silence);
        return outcome;
      }
    }
    busy = report();
    const auto now = steady_now();
    if (now - last_beat >= beat_interval) {
      comm.send(master, wire::beat, {});
      last_beat = now;
    }
    if (team.idle() && now - last_heard > max_silence) {
      leave_silent_master(comm, master);
      return {static_cast<int>(ExitCode::interrupted), team.stop(stop_grace)};
    }
  }
}

}  // namespace petavox
