// The three executors: serial, loopback and distributed.

#include "petavox/run/run.hpp"

#include "petavox/comm/loopback.hpp"
#include "petavox/run/dispatcher.hpp"
#include "petavox/run/run_directory.hpp"

namespace petavox {
namespace {

constexpr int master_rank = 0;
/// Up to so many ranks the master computes too: beyond, one more worker is no gain and the master stays
/// responsive.
constexpr int max_ranks_with_working_master = 8;

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
    while (!master.finished() && !master.must_stop()) {
      const std::vector<Work> work = master.work_for(me);
      if (work.empty() && !master.finished() && !master.searching())
        throw Error{ErrorCode::internal,
                    "no task can run though the run is not finished (a bug in petavox); please report it"};
      for (const Work& w : work) {
        if (master.must_stop()) break;
        master.report(me, runner.run(w));
        master.alive(me);
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
