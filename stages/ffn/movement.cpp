#include "stages/ffn/movement.hpp"

#include <algorithm>

namespace petavox::ffn {

std::vector<Move> moves(std::span<const float> logits, Extent field_of_view, Extent deltas, float threshold) {
  const Box field = Box::from({0, 0, 0}, field_of_view);
  const Coord centre{field_of_view.z / 2, field_of_view.y / 2, field_of_view.x / 2};
  std::vector<Move> found;
  for (int axis = 0; axis < 3; ++axis) {
    if (deltas[axis] == 0) continue;
    for (const Index side : {-deltas[axis], deltas[axis]}) {
      Box face{centre - deltas, centre + deltas};
      for (int other = 0; other < 3; ++other) ++face.end[other];
      face.begin[axis] = centre[axis] + side;
      face.end[axis] = face.begin[axis] + 1;
      // The first of equal ones in the raster.
      Coord best = face.begin;
      face.for_each([&](Coord p) {
        if (logits[static_cast<std::size_t>(field.raster(p))] >
            logits[static_cast<std::size_t>(field.raster(best))])
          best = p;
      });
      const Move move{logits[static_cast<std::size_t>(field.raster(best))], best - centre};
      if (move.logit >= threshold && std::ranges::find(found, move) == found.end()) found.push_back(move);
    }
  }
  std::ranges::sort(found, [](const Move& a, const Move& b) {
    if (a.logit != b.logit) return a.logit > b.logit;
    return Coord{} + a.offset > Coord{} + b.offset;
  });
  return found;
}

}  // namespace petavox::ffn
