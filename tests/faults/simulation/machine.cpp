#include "simulation/machine.hpp"

#include "petavox/base/error.hpp"

#include <algorithm>
#include <exception>

namespace petavox::simulation {
namespace {

Machine* running = nullptr;

TimePoint virtual_now() noexcept { return TimePoint{running->now()}; }

/// An idle rank looks less and less often: as if it had overslept.
constexpr Time longest_oversleep = std::chrono::milliseconds{200};

}  // namespace

class Machine::Port final : public Communicator {
 public:
  Port(Machine& machine, int rank) : machine_{machine}, rank_{rank} {}
  int rank() const override { return rank_; }
  int size() const override { return machine_.num_ranks(); }
  void send(int to, int tag, std::span<const std::byte> bytes) override {
    machine_.operation();
    machine_.post(rank_, to, tag, bytes);
  }
  std::optional<Message> poll(Time timeout) override {
    machine_.operation();
    if (auto message = take()) return message;
    if (timeout == Time{0}) return std::nullopt;
    Rank& self = machine_.current();
    const Time oversleep =
        std::min(longest_oversleep, Time{std::int64_t{50} << std::min(self.idle_polls++, 20)});
    machine_.suspend_until(machine_.now_ + std::max(timeout, oversleep), true);
    return take();
  }
  bool flush(std::chrono::milliseconds) override {
    machine_.operation();
    return true;
  }
  void forget(int) override {}
  void barrier() override { no_collectives(); }
  Bytes broadcast(Bytes, int) override { no_collectives(); }
  std::int64_t maximum(std::int64_t) override { no_collectives(); }
  [[noreturn]] void abort(int) override { no_collectives(); }

 private:
  [[noreturn]] static void no_collectives() {
    throw Error{ErrorCode::internal, "a simulated rank called a collective"};
  }
  std::optional<Message> take() {
    Rank& self = machine_.current();
    const auto first = self.inbox.begin();
    if (first == self.inbox.end() || first->first > machine_.now_) return std::nullopt;
    Message message = std::move(first->second);
    self.inbox.erase(first);
    self.idle_polls = 0;
    machine_.note(static_cast<std::uint64_t>(rank_ * 64 + message.from * 8 + message.tag) << 32 |
                  message.bytes.size());
    return message;
  }
  Machine& machine_;
  int rank_;
};

Machine::Machine(std::uint64_t seed) : random_{seed} {
  running = this;
  replace_clock(&virtual_now);
}

Machine::~Machine() {
  kill_all();
  replace_clock(nullptr);
  running = nullptr;
}

void Machine::spawn(std::function<void(Communicator&)> body) {
  const int rank = num_ranks();
  auto port = std::make_unique<Port>(*this, rank);
  ranks_.push_back(std::make_unique<Rank>([this, body = std::move(body), port = port.get()] {
    try {
      body(*port);
    } catch (const Crash&) {
      ++num_died_;
    }
  }));
  ranks_.back()->port = std::move(port);
  ranks_.back()->wake = now_;
}

void Machine::doom(int rank, std::int64_t operations) {
  ranks_[static_cast<std::size_t>(rank)]->operations_left = operations;
}

void Machine::operation() {
  Rank& self = current();
  if (self.operations_left > 0) --self.operations_left;
  if (self.doomed || self.operations_left == 0) {
    self.doomed = true;
    note(0xdead);
    throw Crash{};
  }
}

void Machine::suspend_until(Time wake, bool polling) {
  Rank& self = current();
  self.wake = wake;
  self.polling = polling;
  self.fiber.suspend();
  self.polling = false;
  if (self.doomed) throw Crash{};
}

void Machine::sleep(Time duration) {
  operation();
  suspend_until(now_ + duration, false);
  operation();
}

void Machine::post(int from, int to, int tag, std::span<const std::byte> bytes) {
  if (random_.chance(network_.drop)) return;
  const int copies = random_.chance(network_.duplicate) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    Time at = now_ + Time{random_.between(2, 50)};
    if (random_.chance(network_.delay)) at += Time{random_.between(1, 2'000'000)};
    Time& last = last_delivery_[{from, to}];
    if (!random_.chance(network_.reorder)) at = std::max(at, last);
    last = std::max(last, at);
    Rank& receiver = *ranks_.at(static_cast<std::size_t>(to));
    if (!receiver.fiber.ended()) receiver.inbox.emplace(at, Message{from, tag, {bytes.begin(), bytes.end()}});
  }
}

bool Machine::run(const std::function<bool()>& until, std::int64_t max_events) {
  for (; max_events > 0; --max_events) {
    int next = -1;
    Time at = Time::max();
    for (int rank = 0; rank < num_ranks(); ++rank) {
      const Rank& r = *ranks_[static_cast<std::size_t>(rank)];
      if (r.fiber.ended()) continue;
      const Time wake = r.polling && !r.inbox.empty() ? std::min(r.wake, r.inbox.begin()->first) : r.wake;
      if (wake < at) {
        at = wake;
        next = rank;
      }
    }
    if (next < 0) return true;
    now_ = std::max(now_, at);
    current_ = next;
    current().fiber.resume();
    current_ = -1;
    if (until()) return true;
  }
  return false;
}

void Machine::kill_all() {
  for (int rank = num_ranks() - 1; rank >= 0; --rank) {
    Rank& r = *ranks_[static_cast<std::size_t>(rank)];
    r.doomed = true;
    current_ = rank;
    while (!r.fiber.ended()) r.fiber.resume();
  }
  current_ = -1;
  ranks_.clear();
  last_delivery_.clear();
  num_died_ = 0;
}

}  // namespace petavox::simulation
