#include "petavox/comm/loopback.hpp"

#include "petavox/base/hash.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace petavox {
namespace {

using Clock = std::chrono::steady_clock;

struct Envelope {
  Message message;
  int held = 0;  // looks of the receiver that it still stays hidden
};

struct Mailbox {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Envelope> mail;
};

// What the ranks share. A collective is one round: every rank leaves its bytes, the last one publishes all.
class Hub {
 public:
  Hub(int n, const LoopbackFaults& faults)
      : faults_{faults}, boxes_(static_cast<std::size_t>(n)), dead_(boxes_.size()) {
    for (auto& box : boxes_) box = std::make_unique<Mailbox>();
    slots_.resize(boxes_.size());
  }

  int size() const { return static_cast<int>(boxes_.size()); }
  const LoopbackFaults& faults() const { return faults_; }
  Mailbox& box(int rank) { return *boxes_[static_cast<std::size_t>(rank)]; }
  bool dead(int rank) const { return dead_[static_cast<std::size_t>(rank)]; }

  void deliver(int to, Envelope envelope) {
    Mailbox& target = box(to);
    {
      const std::lock_guard lock{target.mutex};
      if (dead(to)) return;
      target.mail.push_back(std::move(envelope));
    }
    target.arrived.notify_one();
  }

  void kill(int rank) {
    {
      const std::lock_guard lock{box(rank).mutex};
      dead_[static_cast<std::size_t>(rank)] = true;
      box(rank).mail.clear();
    }
    wake_everyone();
  }

  void abort(int code) {
    int none = -1;
    aborted_.compare_exchange_strong(none, code);
    wake_everyone();
  }
  void throw_if_aborted() const {
    if (const int code = aborted_; code >= 0) throw LoopbackAborted{code};
  }

  std::shared_ptr<const std::vector<Bytes>> exchange(int rank, Bytes bytes) {
    std::unique_lock lock{round_mutex_};
    const auto round = round_;
    slots_[static_cast<std::size_t>(rank)] = std::move(bytes);
    if (++entered_ == size()) {
      result_ = std::make_shared<const std::vector<Bytes>>(
          std::exchange(slots_, std::vector<Bytes>(boxes_.size())));
      entered_ = 0;
      ++round_;
      round_over_.notify_all();
      return result_;
    }
    round_over_.wait(lock, [&] { return round_ != round || aborted_ >= 0 || anyone_dead(); });
    if (round_ != round) return result_;
    throw_if_aborted();
    throw Error{
        ErrorCode::io,
        "a rank died before a collective (the others would wait for it for ever); run again to resume"};
  }

 private:
  bool anyone_dead() const {
    return std::any_of(dead_.begin(), dead_.end(), [](const auto& dead) { return dead.load(); });
  }
  void wake_everyone() {
    for (auto& box : boxes_) {
      const std::lock_guard lock{box->mutex};
      box->arrived.notify_all();
    }
    const std::lock_guard lock{round_mutex_};
    round_over_.notify_all();
  }

  const LoopbackFaults faults_;
  std::vector<std::unique_ptr<Mailbox>> boxes_;
  std::vector<std::atomic<bool>> dead_;
  std::atomic<int> aborted_{-1};
  std::mutex round_mutex_;
  std::condition_variable round_over_;
  std::vector<Bytes> slots_;
  std::shared_ptr<const std::vector<Bytes>> result_;
  int entered_ = 0;
  std::uint64_t round_ = 0;
};

// A number in [0, 1) that depends on the message alone.
double chance(std::uint64_t message, std::uint64_t purpose) {
  return static_cast<double>(mix64(message + purpose * 0x9e3779b97f4a7c15ULL) >> 11) * 0x1p-53;
}

class Loopback final : public Communicator {
 public:
  Loopback(std::shared_ptr<Hub> hub, int rank)
      : hub_{std::move(hub)},
        rank_{rank},
        sent_(static_cast<std::size_t>(hub_->size())),
        forgotten_(sent_.size()) {
    for (const auto& death : hub_->faults().deaths)
      if (death.rank == rank) dies_at_ = std::min(dies_at_, death.operation);
  }

  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }

  void send(int to, int tag, std::span<const std::byte> bytes) override {
    check_rank(to);
    begin_operation();
    if (forgotten_[static_cast<std::size_t>(to)]) return;
    Envelope envelope{{rank_, tag, Bytes(bytes.begin(), bytes.end())}};
    if (to != rank_) {
      const LoopbackFaults& faults = hub_->faults();
      const auto number = sent_[static_cast<std::size_t>(to)]++;
      const std::uint64_t key =
          mix64(mix64(mix64(faults.seed + 1) + static_cast<std::uint64_t>(rank_) * 65537U +
                      static_cast<std::uint64_t>(to)) +
                number);
      if (chance(key, 1) < faults.drop) return;
      if (chance(key, 2) < faults.duplicate) hub_->deliver(to, envelope);
      if (chance(key, 3) < faults.delay)
        envelope.held = 1 + static_cast<int>(chance(key, 4) * std::max(1, faults.max_delay));
    }
    hub_->deliver(to, std::move(envelope));
  }

  std::optional<Message> poll(std::chrono::microseconds timeout) override {
    begin_operation();
    const auto deadline = Clock::now() + timeout;
    Mailbox& box = hub_->box(rank_);
    std::unique_lock lock{box.mutex};
    while (true) {
      hub_->throw_if_aborted();
      if (auto message = take(box)) return message;
      const auto now = Clock::now();
      if (now >= deadline) return std::nullopt;
      // Held mail appears after a few looks, so while there is any the next look is soon.
      const auto soon =
          box.mail.empty() ? deadline : std::min(deadline, now + std::chrono::microseconds{200});
      box.arrived.wait_until(lock, soon);
    }
  }

  bool flush(std::chrono::milliseconds) override { return true; }

  void forget(int peer) override {
    check_rank(peer);
    forgotten_[static_cast<std::size_t>(peer)] = true;
    lost_peer_ = true;
  }

  void barrier() override { exchange({}); }
  Bytes broadcast(Bytes bytes, int root) override {
    check_rank(root);
    return (*exchange(rank_ == root ? std::move(bytes) : Bytes{}))[static_cast<std::size_t>(root)];
  }
  std::int64_t maximum(std::int64_t value) override {
    ByteWriter writer;
    writer.put(value);
    const auto all = exchange(writer.take());
    for (const Bytes& bytes : *all) value = std::max(value, ByteReader{bytes}.get<std::int64_t>());
    return value;
  }

  [[noreturn]] void abort(int code) override {
    hub_->abort(code);
    throw LoopbackAborted{code};
  }

 private:
  void begin_operation() {
    hub_->throw_if_aborted();
    if (operations_++ >= dies_at_) {
      hub_->kill(rank_);
      throw RankDied{rank_};
    }
  }
  std::shared_ptr<const std::vector<Bytes>> exchange(Bytes bytes) {
    hub_->throw_if_aborted();
    if (hub_->dead(rank_)) throw RankDied{rank_};
    if (lost_peer_)
      throw Error{
          ErrorCode::internal,
          "a collective after a peer was given up (it would never end); this is a bug, please report it"};
    return hub_->exchange(rank_, std::move(bytes));
  }
  std::optional<Message> take(Mailbox& box) {
    for (auto it = box.mail.begin(); it != box.mail.end();) {
      if (it->held > 0) {
        --it->held;
        ++it;
        continue;
      }
      Message message = std::move(it->message);
      it = box.mail.erase(it);
      if (!forgotten_[static_cast<std::size_t>(message.from)]) return message;
    }
    return std::nullopt;
  }
  void check_rank(int rank) const {
    if (rank < 0 || rank >= size())
      throw Error{ErrorCode::internal, "rank " + std::to_string(rank) + " does not exist (there are " +
                                           std::to_string(size()) + "); this is a bug, please report it"};
  }

  std::shared_ptr<Hub> hub_;
  int rank_;
  std::vector<std::uint64_t> sent_;
  std::vector<bool> forgotten_;
  bool lost_peer_ = false;
  std::int64_t operations_ = 0;
  std::int64_t dies_at_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> make_loopback(int n, const LoopbackFaults& faults) {
  if (n < 1)
    throw Error{ErrorCode::config, "a loopback of " + std::to_string(n) +
                                       " ranks (nobody could do the work); ask for at least 1"};
  auto hub = std::make_shared<Hub>(n, faults);
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int rank = 0; rank < n; ++rank) ranks.push_back(std::make_unique<Loopback>(hub, rank));
  return ranks;
}

void LoopbackOutcome::rethrow() const {
  std::exception_ptr aborted;
  for (const auto& error : errors) {
    if (!error) continue;
    try {
      std::rethrow_exception(error);
    } catch (const LoopbackAborted&) {
      if (!aborted) aborted = error;
    }
  }
  if (aborted) std::rethrow_exception(aborted);
}

LoopbackOutcome run_loopback(int n, const std::function<void(Communicator&)>& f,
                             const LoopbackFaults& faults) {
  const auto ranks = make_loopback(n, faults);
  LoopbackOutcome outcome{std::vector<std::exception_ptr>(ranks.size()), {}};
  std::vector<char> died(ranks.size(), 0);  // not vector<bool>: its elements share bytes between threads
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < ranks.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        f(*ranks[i]);
      } catch (const RankDied&) {
        died[i] = 1;
      } catch (...) {
        outcome.errors[i] = std::current_exception();
        try {
          ranks[i]->abort(static_cast<int>(ExitCode::internal));
        } catch (const LoopbackAborted&) {
          // That was the call's purpose: the other ranks see it too.
        }
      }
    });
  for (auto& thread : threads) thread.join();
  outcome.died.assign(died.begin(), died.end());
  return outcome;
}

}  // namespace petavox
