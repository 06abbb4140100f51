#pragma once
// A cluster in one thread: ranks as fibers, a clock that jumps to the next event, a network with faults.
// Everything that happens follows from the seed.

#include "petavox/base/clock.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/comm/communicator.hpp"

#include "simulation/fiber.hpp"

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace petavox::simulation {

using Time = std::chrono::microseconds;

/// Thrown through a rank that dies. No std::exception: nothing but the rank's end catches it.
struct Crash {};

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{mix64(seed + 1)} {}
  std::uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15U); }
  /// 0 <= below(n) < n. Expects n > 0.
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
  }
  std::int64_t between(std::int64_t least, std::int64_t most) { return least + below(most - least + 1); }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }

 private:
  std::uint64_t state_;
};

/// Of each message. Beyond what a Communicator promises, all but `delay`.
struct NetworkFaults {
  double drop = 0, duplicate = 0, delay = 0, reorder = 0;
};

class Machine {
 public:
  explicit Machine(std::uint64_t seed);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Random& random() { return random_; }
  Time now() const { return now_; }
  /// Of all that has happened so far, in order.
  std::uint64_t trace() const { return trace_; }
  void note(std::uint64_t what) {
    trace_ = mix64(trace_ ^ mix64(what + static_cast<std::uint64_t>(now_.count())));
  }
  void set_network(const NetworkFaults& faults) { network_ = faults; }
  void jump(Time by) { now_ += by; }

  // ---- a launch ----

  /// Ranks 0, 1, … in the order of the calls.
  void spawn(std::function<void(Communicator&)> body);
  /// The rank dies at its n-th operation from now on.
  void doom(int rank, std::int64_t operations);
  /// Lets the ranks run, one event after another, until `until` is true or nobody is left. False after
  /// `max_events`.
  bool run(const std::function<bool()>& until, std::int64_t max_events);
  bool alive(int rank) const { return !ranks_[static_cast<std::size_t>(rank)]->fiber.ended(); }
  int num_ranks() const { return static_cast<int>(ranks_.size()); }
  /// Ranks that died so far, in this launch.
  int num_died() const { return num_died_; }
  /// All die at once, and what is under way in the network is gone.
  void kill_all();

  // ---- called by ranks ----

  /// A place where the rank that runs may die.
  void operation();
  void sleep(Time duration);

 private:
  class Port;
  struct Rank {
    explicit Rank(std::function<void()> body) : fiber{std::move(body)} {}
    Fiber fiber;
    std::unique_ptr<Communicator> port;
    std::multimap<Time, Message> inbox;
    Time wake{0};
    bool polling = false, doomed = false;
    std::int64_t operations_left = -1;  // -1: no end is set
    int idle_polls = 0;
  };
  void suspend_until(Time wake, bool polling);
  void post(int from, int to, int tag, std::span<const std::byte> bytes);
  Rank& current() { return *ranks_[static_cast<std::size_t>(current_)]; }

  Random random_;
  Time now_{1'000'000};
  std::uint64_t trace_ = 0;
  NetworkFaults network_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::map<std::pair<int, int>, Time> last_delivery_;
  int current_ = -1, num_died_ = 0;
};

}  // namespace petavox::simulation
