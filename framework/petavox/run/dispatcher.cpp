#include "petavox/run/dispatcher.hpp"

#include "petavox/base/log.hpp"
#include "petavox/run/wire.hpp"

namespace petavox {
namespace {

using Clock = std::chrono::steady_clock;
/// How long a stopping run waits for the tasks at hand.
constexpr auto stop_grace = std::chrono::seconds{8};
constexpr auto beat_interval = std::chrono::seconds{5};

}  // namespace

Dispatcher::Dispatcher(Communicator& comm, Master& master, LocalWorker* local)
    : comm_{comm}, master_{master}, local_{local} {
  if (local_ != nullptr) join(comm_.rank());
}

void Dispatcher::run() {
  while (!master_.finished() && !master_.must_stop()) {
    listen(std::chrono::microseconds{200});
    hand_out();
    for (const WorkerId given_up : master_.tick()) joined_.erase(static_cast<int>(given_up.value));
    beat();
  }
  master_.commit();
}

bool Dispatcher::stop(int code) {
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

void Dispatcher::join(int rank) {
  if (joined_.insert(rank).second) master_.add_worker(WorkerId{rank});
}

void Dispatcher::listen(std::chrono::microseconds timeout) {
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
    master_.alive(WorkerId{rank});
    if (left_ == nullptr) join(rank);
  }
  take_local();
}

void Dispatcher::take_local() {
  if (local_ == nullptr) return;
  const WorkerId me{comm_.rank()};
  const std::vector<TaskOutcome> outcomes = local_->take();
  for (const TaskOutcome& outcome : outcomes) master_.report(me, outcome);
  if (!outcomes.empty()) master_.alive(me);
}

void Dispatcher::hand_out() {
  for (const WorkerId worker : master_.hungry()) {
    std::vector<Work> work = master_.work_for(worker);
    if (work.empty()) continue;
    if (local_ != nullptr && worker.value == comm_.rank())
      local_->give(std::move(work));
    else
      comm_.send(static_cast<int>(worker.value), wire::work, wire::encode(work));
  }
}

void Dispatcher::beat() {
  const auto now = Clock::now();
  if (now - last_beat_ < beat_interval) return;
  last_beat_ = now;
  for (int rank = 0; rank < comm_.size(); ++rank)
    if (rank != comm_.rank()) comm_.send(rank, wire::beat, {});
}

}  // namespace petavox
