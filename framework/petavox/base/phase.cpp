#include "petavox/base/phase.hpp"

#include "petavox/base/check.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

namespace petavox {
namespace {

std::uint64_t nanoseconds_of(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

const char* name_of(Phase phase) noexcept {
  constexpr const char* names[num_phases] = {"compute", "wait", "read", "decode", "encode", "write"};
  return names[static_cast<std::size_t>(phase)];
}

std::uint64_t monotonic_ns() noexcept { return nanoseconds_of(CLOCK_MONOTONIC); }

void PhaseClock::start() {
  PETAVOX_ASSERT(current_ == nullptr);
  slices_.clear();
  slices_.reserve(max_slices);
  resolution_ns_ = 0;
  sums_ns_ = {};
  stored_bytes_read_ = stored_bytes_written_ = 0;
  phase_ = Phase::compute;
  cpu_ns_ = nanoseconds_of(CLOCK_THREAD_CPUTIME_ID);
  begin_ns_ = since_ns_ = monotonic_ns();
  current_ = this;
}

void PhaseClock::stop() {
  PETAVOX_ASSERT(current_ == this);
  change_to(Phase::compute);
  cpu_ns_ = nanoseconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu_ns_;
  current_ = nullptr;
}

Phase PhaseClock::change_to(Phase phase) noexcept {
  const std::uint64_t now = monotonic_ns();
  sums_ns_[static_cast<std::size_t>(phase_)] += now - since_ns_;
  if (phase_ != Phase::compute) add_slice(phase_, since_ns_, now);
  since_ns_ = now;
  return std::exchange(phase_, phase);
}

void PhaseClock::add_slice(Phase phase, std::uint64_t begin_ns, std::uint64_t end_ns) {
  if (end_ns - begin_ns < resolution_ns_) return;
  // What fits no more is made room for by doubling the shortest time that is shown. What is dropped is no
  // longer than that, so joining over gaps of that length never covers a slice that is kept.
  while (slices_.size() == max_slices) {
    resolution_ns_ = std::max<std::uint64_t>(1000, 2 * resolution_ns_);
    std::erase_if(slices_, [&](const Slice& s) { return s.end_ns - s.begin_ns < resolution_ns_; });
    std::size_t kept = 0;
    for (const Slice& s : slices_) {
      if (kept > 0 && slices_[kept - 1].phase == s.phase &&
          s.begin_ns - slices_[kept - 1].end_ns < resolution_ns_)
        slices_[kept - 1].end_ns = s.end_ns;
      else
        slices_[kept++] = s;
    }
    slices_.resize(kept);
    if (end_ns - begin_ns < resolution_ns_) return;
  }
  if (!slices_.empty() && slices_.back().phase == phase && begin_ns - slices_.back().end_ns <= resolution_ns_)
    slices_.back().end_ns = end_ns;
  else
    slices_.push_back({phase, begin_ns, end_ns});
}

}  // namespace petavox
