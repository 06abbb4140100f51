#pragma once
// Union-find over roots that then get new numbers, with one number a root all the time.

#include "petavox/reduce/spill.hpp"

#include <concepts>

namespace petavox {

/// Fewer than 2^31 (2^63) roots for 32-bit (64-bit) numbers. First join(), then number().
template <std::unsigned_integral Index>
class RootSets {
  static constexpr Index numbered = static_cast<Index>(~(~Index{0} >> 1));

 public:
  static constexpr Index most = numbered - 1;

  RootSets(std::size_t count, std::shared_ptr<SpillPool> pool) : roots_{std::move(pool)} {
    roots_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) roots_.push_back(static_cast<Index>(i));
  }
  void join(std::size_t a, std::size_t b) {
    const Index root_a = root(static_cast<Index>(a)), root_b = root(static_cast<Index>(b));
    roots_[std::max(root_a, root_b)] = std::min(root_a, root_b);
  }
  /// Of a root's set: sets are numbered in the order in which they are asked for.
  std::size_t number(std::size_t i) {
    const Index root = this->root(static_cast<Index>(i));
    if ((root & numbered) != 0) return root & ~numbered;
    roots_[root] = numbered | static_cast<Index>(count_);
    return count_++;
  }
  /// Sets that have a number.
  std::size_t count() const { return count_; }

 private:
  /// The root of i's set, or its number with the bit `numbered`.
  Index root(Index i) {
    for (;;) {
      const Index above = roots_[i];
      if (above == i || (above & numbered) != 0) return above;
      roots_[i] = roots_[above];
      i = above;
    }
  }
  SpillVector<Index> roots_;  // a root of the same set, or the set's number
  std::size_t count_ = 0;
};

}  // namespace petavox
