#pragma once
// Half-open boxes of voxels, and the margin ("halo") that a stage reads round its core.

#include "petavox/geometry/coord.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace petavox {

/// How far beyond its core a stage reads, per axis and side.
struct Halo {
  Extent low{}, high{};
  friend constexpr bool operator==(const Halo&, const Halo&) = default;

  static constexpr Halo none() { return {}; }
  static constexpr Halo uniform(Index r) { return {Extent::cube(r), Extent::cube(r)}; }
  static constexpr Halo symmetric(Extent r) { return {r, r}; }
  static constexpr Halo lower(Index r) { return {Extent::cube(r), {}}; }
};

/// Of what is not negative. In 32 bits where they suffice: a division there takes a fraction of the time.
constexpr Index quotient(Index dividend, Index divisor) {
  if (((dividend | divisor) >> 32) == 0)
    return static_cast<std::uint32_t>(dividend) / static_cast<std::uint32_t>(divisor);
  return dividend / divisor;
}

/// begin is inside, end is outside. A box with end <= begin on any axis is empty.
struct Box {
  Coord begin, end;
  friend constexpr bool operator==(const Box&, const Box&) = default;

  static constexpr Box from(Coord begin, Extent shape) { return {begin, begin + shape}; }

  constexpr Extent shape() const {
    return {std::max<Index>(0, end.z - begin.z), std::max<Index>(0, end.y - begin.y),
            std::max<Index>(0, end.x - begin.x)};
  }
  constexpr Index voxels() const { return shape().voxels(); }
  constexpr bool empty() const { return voxels() == 0; }
  constexpr bool contains(Coord p) const {
    return p.z >= begin.z && p.z < end.z && p.y >= begin.y && p.y < end.y && p.x >= begin.x && p.x < end.x;
  }
  /// Every voxel of `other` is in this box. True for an empty `other`.
  constexpr bool contains(const Box& other) const {
    return other.empty() ||
           (other.begin.z >= begin.z && other.begin.y >= begin.y && other.begin.x >= begin.x &&
            other.end.z <= end.z && other.end.y <= end.y && other.end.x <= end.x);
  }
  /// The nearest voxel of this (non-empty) box.
  constexpr Coord clamp(Coord p) const {
    return {std::clamp(p.z, begin.z, end.z - 1), std::clamp(p.y, begin.y, end.y - 1),
            std::clamp(p.x, begin.x, end.x - 1)};
  }
  constexpr Box intersect(const Box& o) const {
    return {{std::max(begin.z, o.begin.z), std::max(begin.y, o.begin.y), std::max(begin.x, o.begin.x)},
            {std::min(end.z, o.end.z), std::min(end.y, o.end.y), std::min(end.x, o.end.x)}};
  }
  constexpr Box grow(const Halo& h) const { return {begin - h.low, end + h.high}; }
  /// Position of p in the raster of this box, x fastest.
  constexpr Index raster(Coord p) const {
    const Extent s = shape();
    return ((p.z - begin.z) * s.y + (p.y - begin.y)) * s.x + (p.x - begin.x);
  }
  /// Inverse of raster().
  constexpr Coord at(Index raster_index) const {
    const Extent s = shape();
    const Index row = quotient(raster_index, s.x), plane = quotient(row, s.y);
    return {begin.z + plane, begin.y + row - plane * s.y, begin.x + raster_index - row * s.x};
  }
  /// Calls f(Coord) for each voxel in raster order.
  template <class F>
  void for_each(F&& f) const {
    for (Index z = begin.z; z < end.z; ++z)
      for (Index y = begin.y; y < end.y; ++y)
        for (Index x = begin.x; x < end.x; ++x) f(Coord{z, y, x});
  }
};

/// The box of coarse voxels that the voxels of `fine` fall into: coarse voxel c holds the fine voxels
/// [c*factor, (c+1)*factor) in absolute coordinates.
Box coarsened(const Box& fine, Extent factor);
/// The fine voxels of the coarse box. refined(coarsened(b)) contains b.
Box refined(const Box& coarse, Extent factor);

/// "z0:z1,y0:y1,x0:x1", as on the command line.
std::string to_string(const Box& box);
/// Inverse of to_string(Box). Nothing if the text is malformed or a length is not positive.
std::optional<Box> parse_box(std::string_view text);

/// The six faces of a box, as bits: low z, high z, low y, high y, low x, high x.
using FaceMask = std::uint8_t;
constexpr FaceMask face_bit(int axis, bool high) {
  return static_cast<FaceMask>(1U << (2 * axis + (high ? 1 : 0)));
}
inline constexpr FaceMask all_faces = 0x3f;

/// The layer of voxels, one thick, that lies inside `box` at a face.
constexpr Box face_layer(Box box, int axis, bool high) {
  if (high)
    box.begin[axis] = box.end[axis] - 1;
  else
    box.end[axis] = box.begin[axis] + 1;
  return box;
}

/// The faces of `box` that are not faces of `domain`: an object that touches one of them may go on outside.
constexpr FaceMask open_faces(const Box& box, const Box& domain) {
  FaceMask mask = 0;
  for (int axis = 0; axis < 3; ++axis) {
    if (box.begin[axis] > domain.begin[axis]) mask = static_cast<FaceMask>(mask | face_bit(axis, false));
    if (box.end[axis] < domain.end[axis]) mask = static_cast<FaceMask>(mask | face_bit(axis, true));
  }
  return mask;
}

}  // namespace petavox
