// The three executors: serial, loopback and distributed.

#include "petavox/run/run.hpp"

#include "petavox/base/log.hpp"
#include "petavox/comm/loopback.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/run_directory.hpp"
#include "petavox/run/wire.hpp"
#include "petavox/run/worker.hpp"

#include <set>

namespace petavox {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int master_rank = 0;
/// Up to so many ranks the master computes too: beyond, one more worker is no gain and the master stays
/// responsive.
constexpr int max_ranks_with_working_master = 8;
/// How long a stopping run waits for the tasks at hand.
constexpr auto stop_grace = std::chrono::seconds{8};
constexpr auto beat_interval = std::chrono::seconds{5};

bool must_stop(const Master& master) {
  return stop_requested() || !master.fatal().empty() || master.superseded();
}

/// Talks to the workers of a distributed run. Local, on the master rank.
class Dispatcher {
 public:
  Dispatcher(Communicator& comm, Master& master, LocalWorker* local)
      : comm_{comm}, master_{master}, local_{local} {
    if (local_ != nullptr) join(master_rank);
  }

  /// Until everything is done or the run must stop.
  void run() {
    while (!master_.finished() && !must_stop(master_)) {
      listen(std::chrono::microseconds{200});
      hand_out();
      for (const WorkerId given_up : master_.tick()) joined_.erase(static_cast<int>(given_up.value));
      beat();
    }
    master_.commit();
  }

  /// Collects the results of the tasks at hand and sends everybody away. False if this process's own worker
  /// hangs.
  bool stop(int code) {
    const bool local_left = local_ == nullptr || local_->stop(stop_grace);
    take_local();
    std::set<int> waiting;
    for (int rank = 0; rank < comm_.size(); ++rank)
      if (rank != comm_.rank()) {
        comm_.send(rank, wire::stop, wire::encode_code(code));
        waiting.insert(rank);
      }
    left_ = &waiting;
    const auto begin = Clock::now();
    while (!waiting.empty() && Clock::now() - begin < stop_grace) {
      listen(std::chrono::microseconds{500});
      master_.tick();
    }
    left_ = nullptr;
    master_.commit();
    for (const int rank : waiting) {
      log::warning("rank " + std::to_string(rank) + " does not answer; the run ends without it");
      comm_.forget(rank);
    }
    return local_left;
  }

 private:
  void join(int rank) {
    if (joined_.insert(rank).second) master_.add_worker(WorkerId{rank});
  }

  void listen(std::chrono::microseconds timeout) {
    while (const auto message = comm_.poll(timeout)) {
      timeout = std::chrono::microseconds{0};
      const int rank = message->from;
      if (message->tag == wire::stop) {
        if (left_ != nullptr) left_->erase(rank);
        continue;
      }
      // A worker that was given up and speaks again may work again; what it says of its old tasks is stale.
      if (message->tag == wire::outcome)
        for (const TaskOutcome& outcome : wire::decode_outcomes(message->bytes))
          master_.report(WorkerId{rank}, outcome);
      else
        master_.alive(WorkerId{rank});
      if (left_ == nullptr) join(rank);
    }
    take_local();
  }

  void take_local() {
    if (local_ == nullptr) return;
    for (const TaskOutcome& outcome : local_->take()) master_.report(WorkerId{master_rank}, outcome);
  }

  void hand_out() {
    for (const WorkerId worker : master_.hungry()) {
      std::vector<Work> work = master_.work_for(worker);
      if (work.empty()) continue;
      if (local_ != nullptr && worker.value == master_rank)
        local_->give(std::move(work));
      else
        comm_.send(static_cast<int>(worker.value), wire::work, wire::encode(work));
    }
  }

  void beat() {
    const auto now = Clock::now();
    if (now - last_beat_ < beat_interval) return;
    last_beat_ = now;
    for (int rank = 0; rank < comm_.size(); ++rank)
      if (rank != comm_.rank()) comm_.send(rank, wire::beat, {});
  }

  Communicator& comm_;
  Master& master_;
  LocalWorker* local_;
  std::set<int> joined_;
  std::set<int>* left_ = nullptr;
  Clock::time_point last_beat_ = Clock::now();
};

/// What rank 0 tells the others before the work begins.
struct Opening {
  std::int64_t code = 0;   ///< not 0: leave with this exit code
  std::int64_t begin = 0;  ///< 1: there is work
  std::uint64_t generation = 0;
  Hash128 plan;
};

Opening announce(Communicator& comm, const Opening& mine) {
  ByteWriter out;
  out.put(mine);
  const Bytes bytes = comm.broadcast(out.take(), master_rank);
  return ByteReader{bytes}.get<Opening>();
}

RunReport lead(const Plan& plan, const InputSet& inputs, Communicator& comm, const RunOptions& options) {
  const OutputRoot root = OutputRoot::create(plan.config().output_dir.string());
  std::unique_ptr<Master> master;
  try {
    if (auto finished = prepare_run_directory(plan, root, options)) {
      announce(comm, {});
      return *finished;
    }
    master = std::make_unique<Master>(plan, root, options);
  } catch (const Error& error) {
    announce(comm, {static_cast<std::int64_t>(exit_code_of(error.code())), 0, 0, {}});
    throw;
  }
  announce(comm, {0, 1, master->generation(), plan.fingerprint()});
  std::unique_ptr<LocalWorker> local;
  if (options.master_works && comm.size() <= max_ranks_with_working_master)
    local = std::make_unique<LocalWorker>(plan, inputs, root, master->generation());
  Dispatcher dispatcher{comm, *master, local.get()};
  dispatcher.run();
  // The code is not known before the results are collected; workers only need to know that they may leave.
  const bool all_left = dispatcher.stop(0);
  RunReport report = master->conclude(inputs, stop_requested());
  if (!all_left) {
    // A stage that never returns holds the thread, the plan and the inputs: they live until the process ends.
    report.must_exit_at_once = true;
    static_cast<void>(local.release());
    static_cast<void>(master.release());
  }
  return report;
}

}  // namespace

RunReport run_serial(const Plan& plan, const InputSet& inputs, const RunOptions& options) {
  const OutputRoot root = OutputRoot::create(plan.config().output_dir.string());
  if (auto finished = prepare_run_directory(plan, root, options)) return *finished;
  Master master{plan, root, options};
  constexpr WorkerId me{master_rank};
  {
    TaskRunner runner{plan, inputs, root, master.generation(), 0};
    const WatchedSlots watched{runner.slots()};
    master.before_commit([&] { runner.sync(); });
    master.add_worker(me);
    while (!master.finished() && !must_stop(master)) {
      const std::vector<Work> work = master.work_for(me);
      if (work.empty() && !master.finished() && !master.searching())
        throw Error{ErrorCode::internal,
                    "no task can run though the run is not finished (a bug in petavox); please report it"};
      for (const Work& w : work) {
        if (must_stop(master)) break;
        master.report(me, runner.run(w));
        master.tick();
      }
    }
    master.commit();
    master.before_commit({});
  }
  return master.conclude(inputs, stop_requested());
}

RunReport run_distributed(const Plan& plan, const InputSet& inputs, Communicator& comm,
                          const RunOptions& options) {
  if (comm.rank() == master_rank) return lead(plan, inputs, comm, options);
  RunReport report;
  const Opening opening = announce(comm, {});
  report.exit_code = static_cast<ExitCode>(opening.code);
  if (opening.begin == 0) return report;
  if (!(opening.plan == plan.fingerprint()))
    throw Error{ErrorCode::config,
                "rank " + std::to_string(comm.rank()) +
                    " has another plan than rank 0 (the config or an input differs between hosts); use "
                    "one shared file system"};
  const OutputRoot root = OutputRoot::open(plan.config().output_dir.string());
  WorkerCore core{plan, inputs, root, static_cast<std::uint32_t>(opening.generation),
                  static_cast<std::uint32_t>(comm.rank())};
  report.exit_code = static_cast<ExitCode>(serve_as_worker(comm, core));
  return report;
}

RunReport run_loopback(const Plan& plan, const InputSet& inputs, int ranks, const RunOptions& options) {
  RunReport report;
  const LoopbackOutcome outcome = petavox::run_loopback(ranks, [&](Communicator& comm) {
    RunReport mine = run_distributed(plan, inputs, comm, options);
    if (comm.rank() == master_rank) report = std::move(mine);
  });
  outcome.rethrow();
  return report;
}

}  // namespace petavox
