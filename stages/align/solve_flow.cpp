#include "stages/align/solve_flow.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {

FlowLattice::FlowLattice(const Array& clean, std::size_t num_links) : FlowLattice{clean, num_links, 1} {}

FlowLattice::FlowLattice(const Array& clean, std::size_t num_links, Index coarsening)
    : box_{coarsened(clean.box(), {1, coarsening, coarsening})},
      domain_{coarsened(clean.domain(), {1, coarsening, coarsening})} {
  const auto in = clean.view<std::int16_t>();
  nodes_.resize(num_links * static_cast<std::size_t>(box_.voxels()));
  const double share = 1 / static_cast<double>(coarsening * coarsening);
  for (std::size_t k = 0; k < num_links; ++k) {
    const int c = static_cast<int>(k) * clean_channels;
    Weighted* to = &nodes_[k * static_cast<std::size_t>(box_.voxels())];
    box_.for_each([&](Coord p) {
      Weighted sum;
      refined(Box::from(p, {1, 1, 1}), {1, coarsening, coarsening})
          .intersect(clean.box())
          .for_each([&](Coord q) {
            const double w = in.at(c + 2, q) / weight_units;
            if (w <= 0) return;
            sum.flow =
                sum.flow + w * Vec2{in.at(c, q) / flow_units_per_px, in.at(c + 1, q) / flow_units_per_px};
            sum.weight += w;
          });
      if (sum.weight > 0) *to = {(1 / sum.weight) * sum.flow, share * sum.weight};
      ++to;
    });
  }
}

Weighted FlowLattice::at(std::size_t link, Index z, double y, double x) const {
  y = std::clamp(y, static_cast<double>(domain_.begin.y), static_cast<double>(domain_.end.y - 1));
  x = std::clamp(x, static_cast<double>(domain_.begin.x), static_cast<double>(domain_.end.x - 1));
  const double fy = std::floor(y), fx = std::floor(x);
  const auto j = static_cast<Index>(fy), i = static_cast<Index>(fx);
  const double ty = y - fy, tx = x - fx;
  Weighted sum;
  for (Index b = 0; b < 2; ++b)
    for (Index a = 0; a < 2; ++a) {
      const double share = (b == 0 ? 1 - ty : ty) * (a == 0 ? 1 - tx : tx);
      if (share <= 0) continue;
      const Weighted& n = node(link, {z, j + b, i + a});
      sum.flow = sum.flow + (share * n.weight) * n.flow;
      sum.weight += share * n.weight;
    }
  if (sum.weight > 0) sum.flow = (1 / sum.weight) * sum.flow;
  return sum;
}

}  // namespace petavox::align
