#pragma once
// Which way a flood-filling network moves: the policy of M. Januszewski et al., Nature Methods 15:605, 2018.
// After each step the voxel of greatest logit on each face at `deltas` from the centre is a candidate if it
// reaches a threshold; candidates of one step are queued best first, steps one behind the other.

#include "petavox/geometry/box.hpp"

#include <deque>
#include <set>
#include <span>
#include <vector>

namespace petavox::ffn {

/// A position relative to the centre of the field of view, and the logit there.
struct Move {
  float logit = 0;
  Extent offset{};
  friend bool operator==(const Move&, const Move&) = default;
};

/// Best first; equal ones by the greater offset. `logits`: over the field of view, in raster order.
std::vector<Move> moves(std::span<const float> logits, Extent field_of_view, Extent deltas, float threshold);

/// The positions of one object that are still to be visited. No position is visited twice: positions are
/// told apart by their cell on the lattice of deltas whose middle cell has the seed in its middle.
class Movement {
 public:
  Movement(Coord seed, Extent deltas) : seed_{seed}, deltas_{deltas}, queue_{seed} {}

  /// The next queued position whose cell was not visited and that `valid` accepts; nothing if there is none.
  template <class Valid>
  std::optional<Coord> next(Valid&& valid) {
    while (!queue_.empty()) {
      const Coord p = queue_.front();
      queue_.pop_front();
      if (!visited_.contains(cell(p)) && valid(p)) return p;
    }
    return std::nullopt;
  }
  /// `at` has been visited, and the network would go on from there.
  void visited(Coord at, std::span<const Move> onwards) {
    visited_.insert(cell(at));
    for (const Move& move : onwards) queue_.push_back(at + move.offset);
  }

 private:
  Coord cell(Coord p) const {
    Coord c;
    for (int axis = 0; axis < 3; ++axis)
      c[axis] = floor_div(p[axis] - seed_[axis] + deltas_[axis] / 2, std::max<Index>(1, deltas_[axis]));
    return c;
  }

  Coord seed_;
  Extent deltas_;
  std::deque<Coord> queue_;
  std::set<Coord> visited_;
};

}  // namespace petavox::ffn
