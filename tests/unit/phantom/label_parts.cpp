#include "unit/phantom/label_parts.hpp"

namespace petavox::testing {

std::vector<LabelPart> label_parts(const Array& labels) {
  const Box box = labels.box();
  const auto view = labels.view<std::uint64_t>();
  std::vector<char> seen(usize(box.voxels()), 0);
  std::vector<LabelPart> parts;
  std::vector<Coord> open;
  const auto visit = [&](Coord p) {
    auto& mark = seen[usize(box.raster(p))];
    if (mark != 0) return;
    mark = 1;
    open.push_back(p);
  };
  box.for_each([&](Coord first) {
    if (view[first] == 0 || seen[usize(box.raster(first))] != 0) return;
    LabelPart part;
    part.label = view[first];
    visit(first);
    while (!open.empty()) {
      const Coord p = open.back();
      open.pop_back();
      ++part.voxels;
      for (int a = 0; a < 3; ++a)
        part.touches_edge = part.touches_edge || p[a] == box.begin[a] || p[a] == box.end[a] - 1;
      const Box round = Box{p, p + Extent::cube(1)}.grow(Halo::uniform(1)).intersect(box);
      round.for_each([&](Coord q) {
        if (view[q] == part.label) visit(q);
      });
    }
    parts.push_back(part);
  });
  return parts;
}

}  // namespace petavox::testing
