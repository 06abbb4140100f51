#include "petavox/run/dispatcher.hpp"

#include "petavox/base/log.hpp"
#include "petavox/run/wire.hpp"

namespace petavox {
namespace {

/// How long a stopping run waits for the tasks at hand.
constexpr auto stop_grace = std::chrono::seconds{8};
constexpr auto beat_interval = std::chrono::seconds{5};

}  // namespace

Dispatcher::Dispatcher(Communicator& comm, Master& master, WorkerTeam* local)
    : comm_{comm}, master_{master}, local_{local}, threads_{master.threads()} {
  if (local_ != nullptr) join_all(comm_.rank());
  master_.while_busy([this] { beat(); });
}

void Dispatcher::run() {
  while (!master_.finished() && !master_.must_stop() && !deserted()) {
    listen(std::chrono::microseconds{200});
    hand_out();
    for (const WorkerId given_up : master_.tick()) joined_.erase(given_up);
    pass_on_releases();
    beat();
  }
  master_.commit();
}

bool Dispatcher::stop(int code) {
  const bool local_left = local_ == nullptr || local_->stop(stop_grace);
  take_local();
  std::set<int> waiting;
  for (const int rank : others()) {
    comm_.send(rank, wire::stop, wire::encode_code(code));
    waiting.insert(rank);
  }
  left_ = &waiting;
  const auto begin = steady_now();
  while (!waiting.empty() && steady_now() - begin < stop_grace) {
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

void Dispatcher::join(WorkerId worker) {
  if (!gone_.contains(rank_of(worker, threads_)) && joined_.insert(worker).second) master_.add_worker(worker);
}

void Dispatcher::join_all(int rank) {
  for (int thread = 0; thread < threads_; ++thread) join(worker_of(rank, thread, threads_));
}

void Dispatcher::part(int rank) {
  gone_.insert(rank);
  if (left_ != nullptr) left_->erase(rank);
  for (int thread = 0; thread < threads_; ++thread) {
    const WorkerId worker = worker_of(rank, thread, threads_);
    joined_.erase(worker);
    master_.remove_worker(worker);
  }
  comm_.forget(rank);
}

std::vector<int> Dispatcher::others() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < comm_.size(); ++rank)
    if (rank != comm_.rank() && !gone_.contains(rank)) ranks.push_back(rank);
  return ranks;
}

void Dispatcher::listen(std::chrono::microseconds timeout) {
  while (const auto message = comm_.poll(timeout)) {
    timeout = std::chrono::microseconds{0};
    const int rank = message->from;
    if (message->tag == wire::stop) {
      if (left_ != nullptr) left_->erase(rank);
      continue;
    }
    if (message->tag == wire::leave) {
      part(rank);
      continue;
    }
    const bool first_word = master_.heard(rank);
    if (first_word && threads_ > 1 && left_ == nullptr) join_all(rank);
    // A worker that was given up and speaks again may work again; what it says of its old tasks is stale.
    if (message->tag == wire::outcome) {
      std::span<const std::byte> body = message->bytes;
      const WorkerId worker = wire::take_address(body);
      if (worker.value < 0 || rank_of(worker, threads_) != rank) continue;
      for (const TaskOutcome& outcome : wire::decode_outcomes(body)) master_.report(worker, outcome);
      master_.alive(worker);
      if (left_ == nullptr) join(worker);
    } else if (threads_ == 1) {
      // Said between two tasks. Of a rank of several threads it says nothing of any one of them.
      master_.alive(worker_of(rank, 0, 1));
      if (left_ == nullptr) join(worker_of(rank, 0, 1));
    }
  }
  take_local();
}

void Dispatcher::take_local() {
  if (local_ == nullptr) return;
  for (const auto& [worker, outcomes] : local_->take()) {
    for (const TaskOutcome& outcome : outcomes) master_.report(worker, outcome);
    master_.alive(worker);
    // One that was given up and reports after all may work again, as those of other ranks.
    if (left_ == nullptr) join(worker);
  }
}

void Dispatcher::hand_out() {
  for (const WorkerId worker : master_.hungry()) {
    std::vector<Work> work = master_.work_for(worker);
    if (work.empty()) continue;
    const int rank = rank_of(worker, threads_);
    if (local_ != nullptr && rank == comm_.rank()) {
      local_->give(worker, std::move(work));
      continue;
    }
    Bytes message = wire::encode(work);
    wire::address(message, worker);
    comm_.send(rank, wire::work, std::move(message));
  }
}

// Before the next work, which may be of the same step.
void Dispatcher::pass_on_releases() {
  const std::vector<Release> releases = master_.take_releases();
  if (releases.empty()) return;
  if (local_ != nullptr) local_->release(releases);
  const Bytes message = wire::encode(releases);
  for (const int rank : others()) comm_.send(rank, wire::release, message);
}

void Dispatcher::beat() {
  const auto now = steady_now();
  if (now - last_beat_ < beat_interval) return;
  last_beat_ = now;
  for (const int rank : others()) comm_.send(rank, wire::beat, {});
}

}  // namespace petavox
