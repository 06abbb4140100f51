#pragma once
// Which of the edges of a row of voxels are best, as bits.

#include "petavox/volume/bit_rows.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace petavox::watershed {

// The six edges of a voxel in the order of their global index: of equal ones the first is best.
enum Direction : std::size_t { z_down, y_down, x_down, x_up, y_up, z_up, num_directions };

/// A direction's edges of a row: affinities of voxels [from, to), where the edges exist in the domain, and
/// bits of those that exist in the mask (nullptr: all do; elsewhere affinities must be 0).
template <class T>
struct EdgeRow {
  const T* affinity = nullptr;
  std::size_t from = 0, to = 0;
  const std::uint64_t* exists = nullptr;
};
template <class T>
using EdgeRows = std::array<EdgeRow<T>, num_directions>;

/// Bits of rows of one width. Not synchronised.
template <class T>
class EdgeBits {
 public:
  explicit EdgeBits(std::size_t width) : width_{width}, words_{words_of(width)} {
    best_.resize(width);
    for (auto* bits : {&taken_, &has_}) bits->resize(words_);
    for (auto& bits : best_is_) bits.resize(words_);
  }

  /// Finds the best edge of each voxel: best_is(d) has the voxels whose edge in direction d it is, any()
  /// those that have one of at least `low`.
  void find_best(const EdgeRows<T>& edges, std::int32_t low) {
    std::fill(best_.begin(), best_.end(), T{0});
    for (const EdgeRow<T>& e : edges)
      if (e.affinity != nullptr) raise_to(e.affinity + e.from, e.to - e.from, best_.data() + e.from);
    std::fill(taken_.begin(), taken_.end(), std::uint64_t{0});
    std::fill(has_.begin(), has_.end(), std::uint64_t{0});
    if (low <= std::numeric_limits<T>::max())
      at_least_bits(best_.data(), static_cast<T>(low), width_, has_.data());
    for (std::size_t d = 0; d < num_directions; ++d) {
      std::uint64_t* bits = best_is_[d].data();
      if (edges[d].affinity == nullptr) {
        std::fill_n(bits, words_, std::uint64_t{0});
        continue;
      }
      bits[words_ - 1] = 0;
      equal_bits(edges[d].affinity, best_.data(), edges[d].to, bits);
      keep_existing(edges[d], bits);
      for (std::size_t w = 0; w < words_; ++w) {
        bits[w] &= has_[w] & ~taken_[w];
        taken_[w] |= bits[w];
      }
    }
  }
  std::uint64_t* best_is(Direction d) { return best_is_[d].data(); }
  const std::uint64_t* any() const { return taken_.data(); }

  /// The edges of a direction that are at least `high`.
  void find_high(const EdgeRow<T>& edges, std::int32_t high, std::uint64_t* bits) const {
    if (edges.affinity == nullptr || high > std::numeric_limits<T>::max()) {
      std::fill_n(bits, words_, std::uint64_t{0});
      return;
    }
    bits[words_ - 1] = 0;
    at_least_bits(edges.affinity, static_cast<T>(high), edges.to, bits);
    keep_existing(edges, bits);
  }

 private:
  void keep_existing(const EdgeRow<T>& edges, std::uint64_t* bits) const {
    if (edges.from > 0) bits[0] &= ~std::uint64_t{1};
    if (edges.exists != nullptr)
      for (std::size_t w = 0; w < words_; ++w) bits[w] &= edges.exists[w];
  }

  std::size_t width_, words_;
  std::vector<T> best_;
  std::vector<std::uint64_t> taken_, has_;
  std::array<std::vector<std::uint64_t>, num_directions> best_is_;
};

}  // namespace petavox::watershed
