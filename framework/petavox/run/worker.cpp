#include "petavox/run/worker.hpp"

#include "petavox/base/log.hpp"
#include "petavox/run/wire.hpp"

namespace petavox {
namespace {

constexpr auto max_wait = std::chrono::milliseconds{50};
constexpr std::uint64_t max_unsynced_bytes = std::uint64_t{64} << 20;

}  // namespace

void WorkerCore::run_one() {
  if (queue_.empty()) return;
  const Work work = std::move(queue_.front());
  queue_.pop_front();
  if (finished_.empty()) oldest_ = steady_now();
  finished_.push_back(runner_->run(work));
  const auto step = static_cast<std::size_t>(work.task.step);
  if (step >= short_steps_.size()) short_steps_.resize(step + 1, false);
  short_steps_[step] = std::chrono::nanoseconds{finished_.back().nanoseconds} < max_wait;
}

bool WorkerCore::next_is_short() const {
  const auto step = static_cast<std::size_t>(queue_.front().task.step);
  return step < short_steps_.size() && short_steps_[step];
}

bool WorkerCore::due() const {
  if (finished_.empty()) return false;
  const OutcomeKind last = finished_.back().kind;
  // Before a long task, what others wait for is told; and should it crash, that is not lost with it.
  return queue_.empty() || !next_is_short() || (last != OutcomeKind::done && last != OutcomeKind::skipped) ||
         steady_now() - oldest_ >= max_wait || runner_->unsynced_bytes() >= max_unsynced_bytes;
}

std::vector<TaskOutcome> WorkerCore::take_results() {
  std::vector<TaskOutcome> results = std::move(finished_);
  finished_.clear();
  if (results.empty()) return results;
  try {
    runner_->sync();
  } catch (const Error& error) {
    TaskOutcome failure;
    failure.task = results.front().task;
    failure.attempt = results.front().attempt;
    failure.kind = OutcomeKind::fatal;
    failure.text = error.what();
    return {failure};
  }
  return results;
}

void leave_silent_master(Communicator& comm, int master) {
  log::error("the master has been silent for too long (it is gone); run the same command again to resume");
  // Should it live after all, it must not wait for this rank, nor blame a task for its absence.
  comm.send(master, wire::leave, {});
  comm.flush(std::chrono::seconds{1});
  comm.forget(master);
}

int serve_as_worker(Communicator& comm, WorkerCore& core) {
  constexpr int master = 0;
  const auto report = [&] {
    Bytes message = wire::encode(core.take_results());
    wire::address(message, worker_of(comm.rank(), 0, 1));
    comm.send(master, wire::outcome, std::move(message));
  };
  comm.send(master, wire::hello, {});
  auto last_heard = steady_now();
  while (true) {
    const bool waiting = core.idle() && !core.has_results();
    while (const auto message =
               comm.poll(waiting ? std::chrono::microseconds{5000} : std::chrono::microseconds{0})) {
      if (message->from != master) continue;
      last_heard = steady_now();
      if (message->tag == wire::work) {
        std::span<const std::byte> body = message->bytes;
        wire::take_address(body);
        core.add(wire::decode_work(body));
        break;
      }
      if (message->tag == wire::release)
        for (const Release& release : wire::decode_releases(message->bytes)) core.release(release);
      if (message->tag == wire::beat) comm.send(master, wire::beat, {});
      if (message->tag == wire::stop) {
        core.drop_queue();
        if (core.has_results()) report();
        comm.send(master, wire::stop, {});
        comm.flush(std::chrono::seconds{5});
        return wire::decode_code(message->bytes);
      }
    }
    if (!core.idle()) {
      core.run_one();
      last_heard = steady_now();  // while it worked it could not listen
    }
    if (core.due()) report();
    if (core.idle() && steady_now() - last_heard > max_silence) {
      leave_silent_master(comm, master);
      return static_cast<int>(ExitCode::interrupted);
    }
  }
}

LocalWorker::LocalWorker(Workplace& place, int thread)
    : core_{std::make_unique<TaskRunner>(place, thread)}, thread_{[this] { loop(); }} {}

LocalWorker::~LocalWorker() {
  stop(std::chrono::milliseconds{0});
  thread_.join();
}

void LocalWorker::give(std::vector<Work> work) {
  const std::lock_guard lock{mutex_};
  for (Work& w : work) given_.push_back(std::move(w));
  wake_.notify_one();
}

void LocalWorker::release(const std::vector<Release>& list) {
  const std::lock_guard lock{mutex_};
  releases_.insert(releases_.end(), list.begin(), list.end());
  wake_.notify_one();
}

std::vector<TaskOutcome> LocalWorker::take() {
  const std::lock_guard lock{mutex_};
  if (error_) std::rethrow_exception(error_);
  return std::exchange(results_, {});
}

bool LocalWorker::stop(std::chrono::milliseconds timeout) {
  std::unique_lock lock{mutex_};
  stopping_ = true;
  wake_.notify_one();
  return wake_.wait_for(lock, timeout, [this] { return stopped_; });
}

void LocalWorker::loop() {
  try {
    while (true) {
      {
        std::unique_lock lock{mutex_};
        if (core_.idle())
          wake_.wait(lock, [this] { return stopping_ || !given_.empty() || !releases_.empty(); });
        // Before the work that came with or after them: it may be of the same step.
        for (const Release& release : std::exchange(releases_, {})) core_.release(release);
        core_.add(std::exchange(given_, {}));
        busy_ = !core_.idle();
        if (stopping_) break;
      }
      core_.run_one();
      if (core_.due()) hand_over();
    }
    hand_over();
  } catch (...) {
    const std::lock_guard lock{mutex_};
    error_ = std::current_exception();
  }
  const std::lock_guard lock{mutex_};
  stopped_ = true;
  wake_.notify_all();
}

bool LocalWorker::idle() {
  const std::lock_guard lock{mutex_};
  return given_.empty() && !busy_ && results_.empty();
}

void LocalWorker::hand_over() {
  std::vector<TaskOutcome> results = core_.take_results();
  const std::lock_guard lock{mutex_};
  for (TaskOutcome& outcome : results) results_.push_back(std::move(outcome));
}

}  // namespace petavox
