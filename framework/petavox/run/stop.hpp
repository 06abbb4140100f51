#pragma once
// Requests to stop, inside the run layer: which slots a signal marks as interrupted.

#include "petavox/io/running_slots.hpp"
#include "petavox/run/run.hpp"

namespace petavox {

/// While it lives, a stop signal marks the running tasks of these slots as interrupted. Thread-safe.
class WatchedSlots {
 public:
  explicit WatchedSlots(RunningSlots& slots);
  ~WatchedSlots();
  WatchedSlots(const WatchedSlots&) = delete;
  WatchedSlots& operator=(const WatchedSlots&) = delete;

 private:
  RunningSlots* slots_;
};

}  // namespace petavox
