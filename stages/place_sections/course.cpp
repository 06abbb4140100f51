#include "stages/place_sections/course.hpp"

#include "stages/align/affine_course.hpp"

#include <algorithm>

namespace petavox::place_sections {

void keep_course(std::vector<Placed>& placed, const Box& frame) {
  const auto middle = [](Index a, Index b) { return 0.5 * static_cast<double>(a + b - 1); };
  const Extent shape = frame.shape();
  std::vector<Affine> transforms;
  std::vector<double> weights;
  for (const Placed& p : placed) {
    transforms.push_back(p.from_canvas);
    weights.push_back(p.found ? 1 : 0);
  }
  const std::vector<Affine> courses =
      align::affine_course(transforms, std::move(weights),
                           {middle(frame.begin.y, frame.end.y), middle(frame.begin.x, frame.end.x)},
                           0.25 * static_cast<double>(std::max(shape.y, shape.x)), align::Course::whole);
  for (std::size_t i = 0; i < placed.size(); ++i)
    placed[i].from_canvas = placed[i].from_canvas.after(courses[i]);
}

}  // namespace petavox::place_sections
