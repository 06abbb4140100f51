#include "stages/phantom/painter.hpp"

#include "stages/phantom/owners.hpp"
#include "stages/phantom/shader.hpp"

#include <algorithm>

namespace petavox::phantom {

namespace {

constexpr Int tile_cells = 4;
constexpr Int tile_nodes = tile_cells + 1;

/// The first voxel whose middle is at or beyond the low face of a cell.
Index first_voxel_of(Int cell, double voxel_units, double shift) {
  return static_cast<Index>(std::ceil((static_cast<double>(cell) * cell_size - shift) / voxel_units - 0.5));
}

class Painter {
 public:
  Painter(const Tissue& tissue, const Box& box, View<std::uint8_t> raw, View<std::uint64_t> labels,
          View<std::uint8_t> types)
      : tissue_{tissue}, box_{box}, raw_{raw}, labels_{labels}, types_{types}, shader_{tissue} {}

  void run() {
    const Vec& size = tissue_.voxel_units();
    const double jitter = tissue_.spec().section_jitter_nm / unit_nm;
    std::array<Int, 3> first{}, last{};
    for (int a = 0; a < 3; ++a) {
      const auto n = static_cast<std::size_t>(a);
      const double reach = (a == 0 ? 0 : jitter) + 1e-6, tile = cell_size * tile_cells;
      first[n] =
          static_cast<Int>(std::floor(((static_cast<double>(box_.begin[a]) + 0.5) * size[n] - reach) / tile));
      last[n] =
          static_cast<Int>(std::floor(((static_cast<double>(box_.end[a]) - 0.5) * size[n] + reach) / tile));
    }
    std::array<Int, 3> t{};
    for (t[0] = first[0]; t[0] <= last[0]; ++t[0])
      for (t[1] = first[1]; t[1] <= last[1]; ++t[1])
        for (t[2] = first[2]; t[2] <= last[2]; ++t[2]) tile(t);
  }

 private:
  void tile(const std::array<Int, 3>& t) {
    ready_ = false;
    std::array<Int, 3> c{};
    for (c[0] = 0; c[0] < tile_cells; ++c[0])
      for (c[1] = 0; c[1] < tile_cells; ++c[1])
        for (c[2] = 0; c[2] < tile_cells; ++c[2]) cell(t, c);
  }

  /// The voxels [first, end) of a cell along an axis that are in the box.
  std::pair<Index, Index> range(Int cell, int axis, double shift) const {
    const double size = tissue_.voxel_units()[static_cast<std::size_t>(axis)];
    return {std::max(first_voxel_of(cell, size, shift), box_.begin[axis]),
            std::min(first_voxel_of(cell + 1, size, shift), box_.end[axis])};
  }

  void cell(const std::array<Int, 3>& t, const std::array<Int, 3>& c) {
    const std::array<Int, 3> index{t[0] * tile_cells + c[0], t[1] * tile_cells + c[1],
                                   t[2] * tile_cells + c[2]};
    const auto [z_first, z_end] = range(index[0], 0, 0);
    bool open = false;
    for (Index z = z_first; z < z_end; ++z) {
      const auto shift = tissue_.jitter(z);
      const auto [y_first, y_end] = range(index[1], 1, shift[0]);
      const auto [x_first, x_end] = range(index[2], 2, shift[1]);
      if (y_first >= y_end || x_first >= x_end) continue;
      if (!open) open_cell(t, c, index);
      open = true;
      fractions(z_first, z, index, shift, {y_first, y_end}, {x_first, x_end});
      owners_.find(plane_);
      paint_plane(z, y_first, x_first);
    }
  }

  void fractions(Index, Index z, const std::array<Int, 3>& index, const std::array<double, 2>& shift,
                 std::pair<Index, Index> ys, std::pair<Index, Index> xs) {
    const Vec& size = tissue_.voxel_units();
    const auto place = [&](Index voxel, std::size_t axis, double off) {
      return ((static_cast<double>(voxel) + 0.5) * size[axis] + off) / cell_size -
             static_cast<double>(index[axis]);
    };
    plane_.z = place(z, 0, 0);
    plane_.y.clear();
    plane_.x.clear();
    for (Index y = ys.first; y < ys.second; ++y) plane_.y.push_back(place(y, 1, shift[0]));
    for (Index x = xs.first; x < xs.second; ++x) plane_.x.push_back(place(x, 2, shift[1]));
    index_ = index;
  }

  void open_tile(const std::array<Int, 3>& t) {
    Vec low{1e300, 1e300, 1e300}, high{-1e300, -1e300, -1e300};
    std::size_t at = 0;
    for (Int z = 0; z < tile_nodes; ++z)
      for (Int y = 0; y < tile_nodes; ++y)
        for (Int x = 0; x < tile_nodes; ++x) {
          const Vec p{static_cast<double>(t[0] * tile_cells + z) * cell_size,
                      static_cast<double>(t[1] * tile_cells + y) * cell_size,
                      static_cast<double>(t[2] * tile_cells + x) * cell_size};
          const auto place = tissue_.deformation().to_lattice(p);
          nodes_[at++] = place;
          for (std::size_t n = 0; n < 3; ++n) {
            low[n] = std::min(low[n], place.lattice[n]);
            high[n] = std::max(high[n], place.lattice[n]);
          }
        }
    for (std::size_t n = 0; n < 3; ++n) origin_[n] = std::floor((low[n] + high[n]) / 2);
    scene_.collect(tissue_, low, high);
    owners_.set_tile(scene_, origin_);
    shader_.set_tile(scene_, origin_);
    ready_ = true;
  }

  void open_cell(const std::array<Int, 3>& t, const std::array<Int, 3>& c, const std::array<Int, 3>& index) {
    if (!ready_) open_tile(t);
    for (std::size_t n = 0; n < 8; ++n) {
      const auto z = static_cast<std::size_t>(c[0]) + (n >> 2),
                 y = static_cast<std::size_t>(c[1]) + (n >> 1 & 1),
                 x = static_cast<std::size_t>(c[2]) + (n & 1);
      const auto& node = nodes_[(z * tile_nodes + y) * tile_nodes + x];
      cell_.lattice[n] = node.lattice - origin_;
      cell_.soma[n] = node.soma;
      cell_.trunk[n] = node.trunk;
    }
    owners_.set_cell(cell_);
    shader_.set_cell(index, cell_, owners_.scale);
  }

  static float between_corners(const std::array<double, 8>& s, double tz, double ty, double tx) {
    const double a = lerp(lerp(s[0], s[1], tx), lerp(s[2], s[3], tx), ty);
    const double b = lerp(lerp(s[4], s[5], tx), lerp(s[6], s[7], tx), ty);
    return static_cast<float>(lerp(a, b, tz));
  }

  void paint_plane(Index z, Index y_first, Index x_first) {
    shader_.set_section(z);
    std::size_t at = 0;
    for (std::size_t iy = 0; iy < plane_.y.size(); ++iy) {
      const Index y = y_first + static_cast<Index>(iy);
      for (std::size_t ix = 0; ix < plane_.x.size(); ++ix, ++at) {
        const Coord voxel{z, y, x_first + static_cast<Index>(ix)};
        Spot spot;
        spot.tissue = {(static_cast<double>(index_[0]) + plane_.z) * cell_size,
                       (static_cast<double>(index_[1]) + plane_.y[iy]) * cell_size,
                       (static_cast<double>(index_[2]) + plane_.x[ix]) * cell_size};
        spot.z = owners_.z[at];
        spot.y = owners_.y[at];
        spot.x = owners_.x[at];
        spot.depth = owners_.depth[at];
        spot.border = owners_.border[at];
        spot.corner = owners_.corner[at];
        spot.actor = owners_.actor[at];
        spot.rival = owners_.rival[at];
        spot.soma = between_corners(cell_.soma, plane_.z, plane_.y[iy], plane_.x[ix]);
        spot.trunk = between_corners(cell_.trunk, plane_.z, plane_.y[iy], plane_.x[ix]);
        const Look look = shader_.look(spot, {static_cast<float>(plane_.z), static_cast<float>(plane_.y[iy]),
                                              static_cast<float>(plane_.x[ix])});
        raw_[voxel] = shader_.record(look.grey, voxel);
        labels_[voxel] = look.outside ? 0 : scene_.actors[static_cast<std::size_t>(spot.actor)].label;
        types_[voxel] = static_cast<std::uint8_t>(look.type);
      }
    }
  }

  const Tissue& tissue_;
  Box box_;
  View<std::uint8_t> raw_;
  View<std::uint64_t> labels_;
  View<std::uint8_t> types_;
  Shader shader_;
  Owners owners_;
  Scene scene_;
  Plane plane_;
  Cell cell_;
  std::array<Deformation::Place, tile_nodes * tile_nodes * tile_nodes> nodes_{};
  Vec origin_{};
  std::array<Int, 3> index_{};
  bool ready_ = false;
};

}  // namespace

void paint(const Tissue& tissue, const Box& box, View<std::uint8_t> raw, View<std::uint64_t> labels,
           View<std::uint8_t> types) {
  if (!box.empty()) Painter{tissue, box, raw, labels, types}.run();
}

}  // namespace petavox::phantom
