#include "stages/phantom/owners.hpp"

#include <algorithm>
#include <limits>

// The two loops that take most of the time, once more for processors with wider vectors. Each lane does the
// same operations in the same order, so the results are the same bits. (Sanitizers start after such choices
// are made.)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define PETAVOX_PHANTOM_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define PETAVOX_PHANTOM_WIDE
#endif

namespace petavox::phantom {

namespace {

/// Distances of n points to the surface of a tube, and for each point the nearest tube so far.
PETAVOX_PHANTOM_WIDE void distances_to(const float* a, const float* d, float inverse, float radius,
                                       float slope, float shell, std::int32_t id, std::size_t n,
                                       const float* z, const float* y, const float* x, float* out,
                                       float* first, std::int32_t* best) {
  const float az = a[0], ay = a[1], ax = a[2], dz = d[0], dy = d[1], dx = d[2];
  for (std::size_t v = 0; v < n; ++v) {
    const float qz = z[v] - az, qy = y[v] - ay, qx = x[v] - ax;
    const float along = (qz * dz + qy * dy + qx * dx) * inverse;
    const float low = along < 0.0F ? 0.0F : along;
    const float t = low > 1.0F ? 1.0F : low;
    const float rz = qz - t * dz, ry = qy - t * dy, rx = qx - t * dx;
    out[v] = std::sqrt(rz * rz + ry * ry + rx * rx) - (radius + t * slope);
  }
  if (shell > 0)
    for (std::size_t v = 0; v < n; ++v) out[v] = std::fabs(out[v]) - shell;
  for (std::size_t v = 0; v < n; ++v) {
    const bool nearer = out[v] < first[v];
    first[v] = nearer ? out[v] : first[v];
    best[v] = nearer ? id : best[v];
  }
}

/// For each of n points the nearest tube so far of none of the owner's actors.
PETAVOX_PHANTOM_WIDE void rivals_of(std::int32_t a, std::int32_t b, std::int32_t id, std::size_t n,
                                    const float* f, const std::int32_t* mine, const std::int32_t* mine_too,
                                    float* next, std::int32_t* second) {
  for (std::size_t v = 0; v < n; ++v) {
    const bool better =
        (f[v] < next[v]) & (mine[v] != a) & (mine[v] != b) & (mine_too[v] != a) & (mine_too[v] != b);
    next[v] = better ? f[v] : next[v];
    second[v] = better ? id : second[v];
  }
}

}  // namespace

void Owners::set_tile(const Scene& scene, const Vec& origin) {
  tile_.clear();
  for (const Tube& tube : scene.tubes) {
    Near near{};
    const Vec a = tube.a - origin, d = tube.b - tube.a;
    const double square = dot(d, d);
    for (std::size_t n = 0; n < 3; ++n) {
      near.a[n] = static_cast<float>(a[n]);
      near.d[n] = static_cast<float>(d[n]);
    }
    near.inverse = square > 0 ? static_cast<float>(1 / square) : 0.0F;
    near.radius = static_cast<float>(tube.radius_a);
    near.slope = static_cast<float>(tube.radius_b - tube.radius_a);
    near.shell = static_cast<float>(tube.shell);
    near.bound = square > 0 ? 1 + std::fabs(near.slope) / static_cast<float>(std::sqrt(square)) : 1.0F;
    near.actor = tube.actor;
    near.other = tube.other;
    tile_.push_back(near);
  }
  PETAVOX_ASSERT(!tile_.empty());  // rods leave no gap
}

Owners::Reach Owners::reach(const Near& tube, float z, float y, float x) {
  const float pz = z - tube.a[0], py = y - tube.a[1], px = x - tube.a[2];
  const float along = (pz * tube.d[0] + py * tube.d[1] + px * tube.d[2]) * tube.inverse;
  const float t = std::min(std::max(along, 0.0F), 1.0F);
  const float qz = pz - t * tube.d[0], qy = py - t * tube.d[1], qx = px - t * tube.d[2];
  const float d = std::sqrt(qz * qz + qy * qy + qx * qx);
  const float off = d - (tube.radius + t * tube.slope);
  const float side = tube.shell > 0 && off < 0 ? -1.0F : 1.0F;
  const float inverse = side / std::max(d, 1e-6F);
  return {tube.shell > 0 ? std::fabs(off) - tube.shell : off, {qz * inverse, qy * inverse, qx * inverse}};
}

void Owners::set_cell(const Cell& cell) {
  corner_ = cell.lattice;
  Vec middle{};
  for (const Vec& c : corner_) middle = middle + c * 0.125;
  double radius = 0;
  for (const Vec& c : corner_) radius = std::max(radius, length(c - middle));
  const auto rho = static_cast<float>(radius) + 0.01F;

  float nearest = std::numeric_limits<float>::max();
  far_.resize(tile_.size());
  for (std::size_t n = 0; n < tile_.size(); ++n) {
    const float f = reach(tile_[n], static_cast<float>(middle[0]), static_cast<float>(middle[1]),
                          static_cast<float>(middle[2]))
                        .distance;
    far_[n] = f - tile_[n].bound * rho;
    nearest = std::min(nearest, f + tile_[n].bound * rho);
  }
  near_.clear();
  for (std::size_t n = 0; n < tile_.size(); ++n)
    if (far_[n] <= nearest + 2 * gap_limit) near_.push_back(tile_[n]);

  // Along each tissue axis, the mean of the four edges.
  double square = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::size_t bit = std::size_t{4} >> axis;
    Vec sum{};
    for (std::size_t n = 0; n < 8; ++n) sum = (n & bit) != 0 ? sum + corner_[n] : sum - corner_[n];
    sum = sum * (0.25 / cell_size);
    square += dot(sum, sum);
    for (std::size_t k = 0; k < 3; ++k) jacobian_[axis][k] = static_cast<float>(sum[k]);
  }
  scale = static_cast<float>(std::sqrt(square / 3));
}

void Owners::find(const Plane& plane) {
  const std::size_t n = plane.size();
  for (auto* v : {&z, &y, &x, &depth, &border, &corner, &first_, &next_}) v->resize(n);
  for (auto* v : {&actor, &rival, &best_, &second_, &best_actor_, &best_other_}) v->resize(n);
  all_.resize(n * near_.size());

  const auto row_of = [&](std::size_t k, double ty) {
    const double z0 = lerp(corner_[0][k], corner_[4][k], plane.z),
                 z1 = lerp(corner_[1][k], corner_[5][k], plane.z);
    const double z2 = lerp(corner_[2][k], corner_[6][k], plane.z),
                 z3 = lerp(corner_[3][k], corner_[7][k], plane.z);
    return std::array<float, 2>{static_cast<float>(lerp(z0, z2, ty)), static_cast<float>(lerp(z1, z3, ty))};
  };
  std::size_t at = 0;
  for (const double ty : plane.y) {
    const auto wz = row_of(0, ty), wy = row_of(1, ty), wx = row_of(2, ty);
    for (const double tx : plane.x) {
      const auto t = static_cast<float>(tx);
      z[at] = wz[0] + (wz[1] - wz[0]) * t;
      y[at] = wy[0] + (wy[1] - wy[0]) * t;
      x[at] = wx[0] + (wx[1] - wx[0]) * t;
      ++at;
    }
  }
  distances(n);
  rivals(n);
  borders(n);
}

void Owners::distances(std::size_t n) {
  std::fill_n(first_.begin(), n, std::numeric_limits<float>::max());
  std::fill_n(best_.begin(), n, 0);
  for (std::size_t k = 0; k < near_.size(); ++k) {
    const Near& tube = near_[k];
    distances_to(tube.a, tube.d, tube.inverse, tube.radius, tube.slope, tube.shell,
                 static_cast<std::int32_t>(k), n, z.data(), y.data(), x.data(), all_.data() + k * n,
                 first_.data(), best_.data());
  }
}

void Owners::rivals(std::size_t n) {
  for (std::size_t v = 0; v < n; ++v) {
    const Near& tube = near_[static_cast<std::size_t>(best_[v])];
    best_actor_[v] = tube.actor;
    best_other_[v] = tube.other;
    next_[v] = first_[v] + 2 * gap_limit;
    second_[v] = -1;
  }
  for (std::size_t k = 0; k < near_.size(); ++k)
    rivals_of(near_[k].actor, near_[k].other, static_cast<std::int32_t>(k), n, all_.data() + k * n,
              best_actor_.data(), best_other_.data(), next_.data(), second_.data());
}

float Owners::border_between(const Reach& mine, const Reach& theirs) const {
  const float g[3] = {(theirs.normal[0] - mine.normal[0]) * 0.5F, (theirs.normal[1] - mine.normal[1]) * 0.5F,
                      (theirs.normal[2] - mine.normal[2]) * 0.5F};
  float square = 0;
  for (const auto& row : jacobian_) {
    const float slope = row[0] * g[0] + row[1] * g[1] + row[2] * g[2];
    square += slope * slope;
  }
  // A border seen at a grazing angle by both: its distance is not known well, but it is far.
  return (theirs.distance - mine.distance) * 0.5F / std::max(std::sqrt(square), 0.25F);
}

/// In a bridge there is no membrane between the two that it joins, but there is one round its mouth: sets
/// what is left of it at a voxel of the bridge, and which of the two the voxel is a part of.
void Owners::cross_bridge(std::size_t v, std::size_t n) {
  float one = first_[v] + 2 * gap_limit, two = one;
  for (std::size_t k = 0; k < near_.size(); ++k) {
    if (near_[k].actor != near_[k].other) continue;
    const float f = all_[k * n + v];
    if (near_[k].actor == best_actor_[v]) one = std::min(one, f);
    if (near_[k].actor == best_other_[v]) two = std::min(two, f);
  }
  if (two < one) actor[v] = best_other_[v];
  border[v] = std::min(border[v], (std::max(one, two) - first_[v]) * 0.8F / scale);
}

void Owners::borders(std::size_t n) {
  for (std::size_t v = 0; v < n; ++v) {
    actor[v] = best_actor_[v];
    depth[v] = first_[v];
    rival[v] = -1;
    border[v] = gap_limit / scale;
    corner[v] = far_corner;
    if (best_actor_[v] != best_other_[v]) cross_bridge(v, n);
    if (second_[v] < 0) continue;
    const Reach mine = reach(near_[static_cast<std::size_t>(best_[v])], z[v], y[v], x[v]);
    const Near& other = near_[static_cast<std::size_t>(second_[v])];
    rival[v] = other.actor;
    border[v] = std::min(border[v], border_between(mine, reach(other, z[v], y[v], x[v])));
    if (next_[v] - first_[v] > 2 * close_gap) continue;
    // The rival whose surface is nearest need not be the one whose border is: near a membrane, ask all that
    // could be nearer.
    const float reach_of_gaps = std::min(close_gap, std::max(border[v], 1.0F) * scale * 1.3F);
    const float most = first_[v] + 2 * reach_of_gaps;
    const float* f = all_.data() + v;
    for (std::size_t k = 0; k < near_.size(); ++k, f += n) {
      if (*f > most || static_cast<std::int32_t>(k) == second_[v]) continue;
      const std::int32_t a = near_[k].actor, b = near_[k].other;
      if (a == best_actor_[v] || b == best_actor_[v] || a == best_other_[v] || b == best_other_[v]) continue;
      const float d = border_between(mine, reach(near_[k], z[v], y[v], x[v]));
      const bool same = a == rival[v] || b == rival[v];
      if (d < border[v]) {
        if (!same) corner[v] = border[v];
        border[v] = d;
        rival[v] = a;
      } else if (!same) {
        corner[v] = std::min(corner[v], d);
      }
    }
  }
}

}  // namespace petavox::phantom
