#pragma once
// A flood-filling network of a few lines.

#include "petavox/geometry/box.hpp"

#include <span>
#include <vector>

namespace petavox::ffn {

/// What a trained network does, exactly: the object is what can be reached, inside the field of view, from
/// voxels that belong to it through bright ones.
inline void flood(std::span<const float> input, std::span<float> change, Extent fov) {
  const auto image = input.first(change.size()), logits = input.subspan(change.size());
  const Box field = Box::from({0, 0, 0}, fov);
  std::vector<Coord> queue;
  std::vector<char> reached(change.size(), 0);
  const auto reach = [&](Coord p) {
    if (!field.contains(p)) return;
    const auto i = static_cast<std::size_t>(field.raster(p));
    if (reached[i] == 0 && image[i] > 0) {
      reached[i] = 1;
      queue.push_back(p);
    }
  };
  field.for_each([&](Coord p) {
    if (logits[static_cast<std::size_t>(field.raster(p))] > 0) reach(p);
  });
  for (std::size_t n = 0; n < queue.size(); ++n)
    for (int axis = 0; axis < 3; ++axis)
      for (const Index side : {-1, 1}) {
        Coord p = queue[n];
        p[axis] += side;
        reach(p);
      }
  for (std::size_t i = 0; i < change.size(); ++i) change[i] = reached[i] != 0 ? 8 + image[i] : -3;
}

}  // namespace petavox::ffn
