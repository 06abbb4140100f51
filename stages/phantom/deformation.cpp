#include "stages/phantom/deformation.hpp"

#include <algorithm>

namespace petavox::phantom {

namespace {
struct Octave {
  double cell, amplitude;
};
constexpr std::array<Octave, 3> octaves{{{310, 76}, {84, 17}, {22, 3.4}}};

/// Distance in lattice space of what lies at distance d in tissue. Inside the core it goes on with the same
/// slope, so that surfaces stay smooth; the core's middle is flattened, where nothing but the organ itself
/// is.
double shrink(double d, double thin, double thick, double reach) {
  const double inner = thin + (d - thick) * ((reach - thin) / (reach - thick));
  return inner < 0.5 ? 0.5 : inner;
}
double grow(double d, double thin, double thick, double reach) {
  return d < thin ? d * (thick / thin) : thick + (d - thin) * ((reach - thick) / (reach - thin));
}
}  // namespace

Deformation::Deformation(std::uint64_t seed, const Organs& organs)
    : seed_{hash_of(seed, 0x6465666f)}, organs_{&organs} {
  // A random unit quaternion. Rods along the axes of the volume would be too easy to see.
  std::array<double, 4> q{};
  double square = 0;
  for (std::uint64_t attempt = 0; square < 0.01 || square > 1; ++attempt) {
    const std::uint64_t h = hash_of(seed_, 0x7475726e, attempt);
    square = 0;
    for (std::size_t n = 0; n < 4; ++n) {
      q[n] = signed_unit(h, static_cast<int>(n));
      square += q[n] * q[n];
    }
  }
  const double s = 2 / square;
  const auto [w, x, y, z] = q;
  turn_ = {{{1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)},
            {s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)},
            {s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)}}};
}

Vec Deformation::turned(const Vec& tissue) const {
  return Vec{dot(turn_[0], tissue), dot(turn_[1], tissue), dot(turn_[2], tissue)} * scale;
}

std::pair<Vec, Vec> Deformation::bounds(const Vec& low, const Vec& high) const {
  Vec least{}, most{};
  for (std::size_t n = 0; n < 8; ++n) {
    const Vec p = turned(
        {(n & 4) != 0 ? high[0] : low[0], (n & 2) != 0 ? high[1] : low[1], (n & 1) != 0 ? high[2] : low[2]});
    for (std::size_t k = 0; k < 3; ++k) {
      least[k] = n == 0 ? p[k] : std::min(least[k], p[k]);
      most[k] = n == 0 ? p[k] : std::max(most[k], p[k]);
    }
  }
  for (std::size_t k = 0; k < 3; ++k) {
    least[k] -= largest_shift;
    most[k] += largest_shift;
  }
  return {least, most};
}

Deformation::Place Deformation::to_lattice(const Vec& tissue) const {
  Place place;
  Vec p = turned(tissue);
  for (std::size_t n = 0; n < octaves.size(); ++n)
    p = p + vector_noise(seed_ + n, p, octaves[n].cell) * octaves[n].amplitude;
  if (const auto soma = organs_->soma_near(p)) {
    const Vec center = soma->center();
    const Vec off = p - center;
    const double d = length(off);
    place.soma = std::min(far, d / soma->thick);
    if (d < soma->reach && d > 0) p = center + off * (shrink(d, soma->thin, soma->thick, soma->reach) / d);
  }
  if (const auto trunk = organs_->trunk_near(p)) {
    const auto a = static_cast<std::size_t>(trunk->rod.axis);
    Vec off = p - rod_point(trunk->rod, 0);
    off[a] = 0;
    const double d = length(off);
    place.trunk = std::min(far_units, (d - trunk->thick) / scale);
    if (d < trunk->reach && d > 0) p = p + off * (shrink(d, trunk->thin, trunk->thick, trunk->reach) / d - 1);
  }
  place.lattice = p;
  return place;
}

Vec Deformation::push_from_trunk(const Vec& p) const {
  const auto trunk = organs_->trunk_near(p);
  if (!trunk) return p;
  Vec off = p - rod_point(trunk->rod, 0);
  off[static_cast<std::size_t>(trunk->rod.axis)] = 0;
  const double d = length(off);
  if (d >= trunk->reach || d == 0) return p;
  return p + off * (grow(d, trunk->thin, trunk->thick, trunk->reach) / d - 1);
}

Vec Deformation::to_tissue(const Vec& lattice) const {
  Vec p = push_from_trunk(lattice);
  if (const auto soma = organs_->soma_near(p)) {
    const Vec center = soma->center();
    const Vec off = p - center;
    const double d = length(off);
    if (d < soma->reach && d > 0) p = center + off * (grow(d, soma->thin, soma->thick, soma->reach) / d);
  }
  for (std::size_t n = octaves.size(); n-- > 0;) {
    Vec q = p;
    for (int turn = 0; turn < 48; ++turn) {
      const Vec next = p - vector_noise(seed_ + n, q, octaves[n].cell) * octaves[n].amplitude;
      const Vec step = next - q;
      q = next;
      if (dot(step, step) < 1e-10) break;
    }
    p = q;
  }
  Vec tissue{};
  for (std::size_t n = 0; n < 3; ++n) tissue = tissue + turn_[n] * (p[n] / scale);
  return tissue;
}

}  // namespace petavox::phantom
