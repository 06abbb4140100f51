// Requests to stop, from signals. Handlers only set a flag and mark what is running, so that a task that is
// cut off by a stop is not blamed for it.

#include "petavox/run/stop.hpp"

#include <array>
#include <atomic>
#include <csignal>

namespace petavox {
namespace {

std::atomic<bool> stop_flag{false};
constexpr std::size_t max_slots = 256;
std::array<std::atomic<RunningSlots*>, max_slots> watched{};

// Async-signal-safe.
void take_request() noexcept {
  stop_flag.store(true, std::memory_order_relaxed);
  for (auto& entry : watched)
    if (RunningSlots* slots = entry.load(std::memory_order_acquire)) slots->mark_interrupted();
}

void on_signal(int) { take_request(); }

}  // namespace

void install_stop_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

bool stop_requested() { return stop_flag.load(std::memory_order_relaxed); }
void request_stop(bool stop) {
  if (stop)
    take_request();
  else
    stop_flag.store(false, std::memory_order_relaxed);
}

WatchedSlots::WatchedSlots(RunningSlots& slots) : slots_{&slots} {
  for (auto& entry : watched) {
    RunningSlots* none = nullptr;
    if (entry.compare_exchange_strong(none, slots_)) return;
  }
}

WatchedSlots::~WatchedSlots() {
  for (auto& entry : watched) {
    RunningSlots* mine = slots_;
    if (entry.compare_exchange_strong(mine, nullptr)) return;
  }
}

}  // namespace petavox
