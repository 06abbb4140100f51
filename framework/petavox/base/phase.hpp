#pragma once
// Where the time of a task goes: code that reads, decodes, encodes, writes or waits says so, and the clock of
// its thread, if there is one, adds it up. Without a clock a scope costs one load and one branch.
// Thread safety: everything here concerns the calling thread alone.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace petavox {

enum class Phase : std::uint8_t {
  compute,  ///< whatever is none of the others
  wait,     ///< for a lock, or for work
  read,     ///< from storage; an input that is computed when it is read counts too
  decode,   ///< checking, decompressing, placing and naming voxels
  encode,   ///< collecting and compressing
  write,    ///< to storage, syncs included
};
inline constexpr std::size_t num_phases = 6;
const char* name_of(Phase phase) noexcept;

/// Nanoseconds of the monotonic clock.
std::uint64_t monotonic_ns() noexcept;

/// Sums the phases of one task. At any moment exactly one phase runs, so the sums add up to the whole.
class PhaseClock {
 public:
  struct Slice {
    Phase phase;
    std::uint64_t begin_ns, end_ns;  ///< of the monotonic clock
  };
  /// So many slices are kept; the shortest go, and near ones of a phase are joined, so that memory is
  /// bounded.
  static constexpr std::size_t max_slices = 256;

  /// Becomes the clock of this thread until stop(). Expects that there is none.
  void start();
  void stop();

  std::uint64_t begin_ns() const { return begin_ns_; }
  std::uint64_t end_ns() const { return since_ns_; }
  std::uint64_t cpu_ns() const { return cpu_ns_; }
  const std::array<std::uint64_t, num_phases>& sums_ns() const { return sums_ns_; }
  /// In order of time, without compute.
  const std::vector<Slice>& slices() const { return slices_; }
  std::uint64_t stored_bytes_read() const { return stored_bytes_read_; }
  std::uint64_t stored_bytes_written() const { return stored_bytes_written_; }

  static PhaseClock* current() noexcept { return current_; }
  /// The phase that ran before.
  Phase change_to(Phase phase) noexcept;
  void count_read(std::uint64_t bytes) noexcept { stored_bytes_read_ += bytes; }
  void count_written(std::uint64_t bytes) noexcept { stored_bytes_written_ += bytes; }

 private:
  void add_slice(Phase phase, std::uint64_t begin_ns, std::uint64_t end_ns);
  static inline thread_local constinit PhaseClock* current_ = nullptr;

  Phase phase_ = Phase::compute;
  std::uint64_t begin_ns_ = 0, since_ns_ = 0, cpu_ns_ = 0;
  std::array<std::uint64_t, num_phases> sums_ns_{};
  std::vector<Slice> slices_;
  std::uint64_t resolution_ns_ = 0;
  std::uint64_t stored_bytes_read_ = 0, stored_bytes_written_ = 0;
};

/// From here to the end of the scope the thread is in this phase; then in the one before.
class PhaseScope {
 public:
  explicit PhaseScope(Phase phase) noexcept : clock_{PhaseClock::current()} {
    if (clock_ != nullptr) before_ = clock_->change_to(phase);
  }
  ~PhaseScope() {
    if (clock_ != nullptr) clock_->change_to(before_);
  }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  PhaseClock* clock_;
  Phase before_ = Phase::compute;
};

/// Bytes that went from or to storage, compressed as they are there.
inline void count_stored_read(std::uint64_t bytes) noexcept {
  if (PhaseClock* clock = PhaseClock::current()) clock->count_read(bytes);
}
inline void count_stored_written(std::uint64_t bytes) noexcept {
  if (PhaseClock* clock = PhaseClock::current()) clock->count_written(bytes);
}

}  // namespace petavox
