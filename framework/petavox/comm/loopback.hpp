#pragma once
// N ranks as threads of one process, with faults on demand: the executor that needs no MPI, and the test bed
// of every protocol.
// Promises: without faults, exactly what Communicator promises. With faults, the fate of a message depends on
// (seed, sender, receiver, number of the message between them) only, never on timing.
// Thread safety: each communicator belongs to one thread; the mail between them is synchronised.

#include "petavox/comm/communicator.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace petavox {

struct LoopbackFaults {
  struct Death {
    int rank = 0;
    std::int64_t operation = 0;  ///< its send or poll of this number (from 0) throws RankDied
  };
  std::uint64_t seed = 0;
  double drop = 0;       ///< probability that a message vanishes
  double duplicate = 0;  ///< probability that it arrives twice
  double delay = 0;      ///< probability that it is held back while later ones overtake it
  int max_delay = 8;     ///< by at most so many polls of the receiver
  std::vector<Death> deaths{};
};

/// Thrown on a rank whose death was asked for. Messages to it vanish from then on. Collectives that it would
/// have to enter throw Error{io} on the others.
class RankDied : public std::exception {
 public:
  explicit RankDied(int rank) : text_{"rank " + std::to_string(rank) + " died as asked"}, rank_{rank} {}
  const char* what() const noexcept override { return text_.c_str(); }
  int rank() const { return rank_; }

 private:
  std::string text_;
  int rank_;
};

/// Thrown by abort() on the rank that calls it, and by the next operation of every other rank.
class LoopbackAborted : public std::exception {
 public:
  explicit LoopbackAborted(int code) : code_{code} {}
  const char* what() const noexcept override { return "a rank aborted the run"; }
  int code() const { return code_; }

 private:
  int code_;
};

/// Communicators of ranks 0..n-1. Expects n >= 1.
std::vector<std::unique_ptr<Communicator>> make_loopback(int n, const LoopbackFaults& faults = {});

struct LoopbackOutcome {
  /// For each rank what it threw, or nullptr. RankDied is no error and not listed here.
  std::vector<std::exception_ptr> errors;
  std::vector<bool> died;
  /// Throws the error of the lowest rank that has one; LoopbackAborted only if no rank has another.
  void rethrow() const;
};

/// Runs f on n threads, one a rank, and waits for all of them. A rank that throws makes the others'
/// operations throw LoopbackAborted, so that nobody waits for it for ever; a rank that dies does not.
LoopbackOutcome run_loopback(int n, const std::function<void(Communicator&)>& f,
                             const LoopbackFaults& faults = {});

}  // namespace petavox
