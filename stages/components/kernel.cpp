#include "stages/components/kernel.hpp"

#include "petavox/volume/run_components.hpp"

#include "stages/components/foreground.hpp"

#include <algorithm>
#include <bit>

namespace petavox::components {
namespace {

/// Values as the unsigned numbers of their size: only equality counts.
template <class V>
const auto* bits_as(const V* values) {
  return reinterpret_cast<const std::make_unsigned_t<V>*>(values);
}

/// A stretch of equal foreground voxels of one row; positions count from the first voxel scanned.
template <class V>
struct Run {
  std::int32_t begin, end;
  V value;
};

template <class V>
void find_runs(const V* row, std::int32_t size, std::vector<Run<V>>& runs) {
  for (std::int32_t i = 0; i < size;) {
    const V value = row[i];
    const std::int32_t begin = i;
    do ++i;
    while (i < size && row[i] == value);
    if (value != V{0}) runs.push_back({begin, i, value});
  }
}

/// Calls f(a, b) for the pairs of runs of two rows with equal values that come within `reach` of each other
/// along x.
template <class V, class F>
void for_each_contact(std::span<const Run<V>> a, std::span<const Run<V>> b, std::int32_t reach, F&& f) {
  std::size_t first = 0;
  for (const Run<V>& run : a) {
    while (first < b.size() && b[first].end + reach <= run.begin) ++first;
    for (std::size_t k = first; k < b.size() && b[k].begin < run.end + reach; ++k)
      if (b[k].value == run.value) f(run, b[k]);
  }
}

/// How far along x two connected voxels of rows (dz, dy) apart may be; -1: not connected.
std::int32_t reach_of(int connectivity, Index dz, Index dy) {
  const Index steps = (dz != 0) + (dy != 0);
  const Index most = connectivity == 6 ? 1 : connectivity == 18 ? 2 : 3;
  if (steps > most) return -1;
  return steps < most ? 1 : 0;
}

constexpr std::pair<Index, Index> lower_rows[] = {{0, -1}, {-1, -1}, {-1, 0}, {-1, 1}};

/// Rows as the runs are found in: those of the image, or of two planes that are kept.
template <class Rows>
class KeptRows {
 public:
  using V = typename Rows::Value;
  KeptRows(Rows& rows, const Box& core) : rows_{rows}, core_{core} {
    if (rows.direct()) return;
    for (auto& plane : planes_) plane.resize(usize(core.shape().y * core.shape().x));
  }
  /// Row y of the core, of the plane z that is being read or of the one before.
  const V* at(Index z, Index y) {
    const std::size_t width = usize(core_.shape().x);
    if (rows_.direct()) return rows_.row(z, y, core_.begin.x, width);
    return kept(z, y);
  }
  void read(Index z, Index y) {
    const std::size_t width = usize(core_.shape().x);
    if (!rows_.direct()) std::copy_n(rows_.row(z, y, core_.begin.x, width), width, kept(z, y));
  }

 private:
  V* kept(Index z, Index y) {
    return planes_[usize(z - core_.begin.z) % 2].data() + usize((y - core_.begin.y) * core_.shape().x);
  }
  Rows& rows_;
  Box core_;
  std::vector<V> planes_[2];
};

template <class Rows>
class Block {
 public:
  using V = typename Rows::Value;

  Block(Rows rows, const Box& domain, int connectivity, LabelArray& fragments)
      : rows_{std::move(rows)},
        domain_{domain},
        core_{fragments.ids.box()},
        connectivity_{connectivity},
        labels_{fragments.ids.view<std::uint32_t>().channel().data()},
        width_{usize(core_.shape().x)} {}

  std::vector<SeamJoin> run(std::vector<Name>& names) {
    names.clear();
    if (core_.empty()) return {};
    unite_runs(names);
    std::vector<SeamJoin> joins;
    for (const Candidate& c : candidates_) joins.push_back({c.lower_voxel, names[labels_[c.voxel] - 1]});
    return joins;
  }

 private:
  struct Candidate {
    std::uint64_t lower_voxel;
    std::uint32_t voxel;  ///< offset in the core
  };

  void unite_runs(std::vector<Name>& names) {
    RunComponents components{core_, labels_};
    KeptRows<Rows> kept{rows_, core_};
    std::vector<std::uint64_t> foreground(components.words()), equal(components.words());
    for (Index z = core_.begin.z; z < core_.end.z; ++z) {
      for (Index y = core_.begin.y; y < core_.end.y; ++y) {
        kept.read(z, y);
        const V* values = kept.at(z, y);
        const std::size_t row_number = usize(y - core_.begin.y);
        const auto row = components.row(row_number);
        // Where there is no row before, any will do: its joins do not count.
        const bool first_y = y == core_.begin.y, first_z = z == core_.begin.z;
        label_bits(bits_as(values), bits_as(first_y ? values : kept.at(z, y - 1)),
                   bits_as(first_z ? values : kept.at(z - 1, y)), width_,
                   {row.starts, foreground.data(), row.joins_y, row.joins_z});
        if (first_y) std::fill_n(row.joins_y, components.words(), std::uint64_t{0});
        if (first_z) std::fill_n(row.joins_z, components.words(), std::uint64_t{0});
        components.add_row(row_number, foreground.data());
        if (connectivity_ != 6)
          for (const auto& [dz, dy] : lower_rows) {
            if (!inside(core_, {z + dz, y + dy, core_.begin.x})) continue;
            const auto lower_number = usize(y + dy - core_.begin.y);
            const V* lower = kept.at(z + dz, y + dy);
            if (dz != 0 && dy != 0) {
              // A join on y or z, with the join beside it, says the same.
              equal_bits(bits_as(values), bits_as(lower), width_, equal.data());
              for (std::size_t w = 0; w < equal.size(); ++w)
                equal[w] &= foreground[w] & ~(row.joins_z[w] | (dy < 0 ? row.joins_y[w] : 0));
              components.unite(row_number, dz, dy, equal.data());
            }
            if (reach_of(connectivity_, dz, dy) > 0)
              unite_diagonals(
                  components, row_number, values, dz, dy, lower,
                  (dz == 0 ? components.row(lower_number) : components.row_below(lower_number)).starts);
          }
        seams(z, y);
      }
      components.end_plane();
    }
    components.finish(domain_, names);
  }

  /// Pairs that are one apart on x. Where a run goes on in either row, a pair straight below says the same:
  /// only voxels that start runs in both rows are looked at.
  void unite_diagonals(RunComponents& components, std::size_t y, const V* values, Index dz, Index dy,
                       const V* lower, const std::uint64_t* lower_starts) const {
    const std::uint64_t* starts = components.row(y).starts;
    for (std::size_t w = 0; w < components.words(); ++w)
      for (std::uint64_t rest = starts[w] & lower_starts[w]; rest != 0; rest &= rest - 1) {
        const std::size_t i = w * 64 + static_cast<std::size_t>(std::countr_zero(rest));
        if (i == 0) continue;
        if (values[i] != V{0} && values[i] == lower[i - 1]) components.unite(y, i, dz, dy, i - 1);
        if (lower[i] != V{0} && values[i - 1] == lower[i]) components.unite(y, i - 1, dz, dy, i);
      }
  }

  /// Joins of a row of the core with voxels outside.
  void seams(Index z, Index y) {
    if (z == core_.begin.z || y == core_.begin.y || y == core_.end.y - 1) seams_across_rows(z, y);
    seams_along_x(z, y);
  }

  /// Joins with rows outside the core.
  void seams_across_rows(Index z, Index y) {
    std::vector<Run<V>>& row = row_;
    row.clear();
    for (const auto& [dz, dy] : lower_rows) {
      const std::int32_t reach = reach_of(connectivity_, dz, dy);
      const Coord lower{z + dz, y + dy, core_.begin.x};
      if (reach < 0 || !inside(domain_, lower) || inside(core_, lower)) continue;
      if (row.empty())
        find_runs(rows_.row(z, y, core_.begin.x, width_), static_cast<std::int32_t>(width_), row);
      seams_with_row(row, z, y, lower, reach);
    }
  }

  static bool inside(const Box& box, Coord p) {
    return p.z >= box.begin.z && p.z < box.end.z && p.y >= box.begin.y && p.y < box.end.y;
  }

  /// Joins with a row outside the core: one for each pair of runs that meet.
  void seams_with_row(std::span<const Run<V>> row, Index z, Index y, Coord lower, std::int32_t reach) {
    const Index from = std::max(domain_.begin.x, core_.begin.x - reach);
    const Index to = std::min(domain_.end.x, core_.end.x + reach);
    outside_.clear();
    find_runs(rows_.row(lower.z, lower.y, from, usize(to - from)), static_cast<std::int32_t>(to - from),
              outside_);
    const auto shift = static_cast<std::int32_t>(core_.begin.x - from);
    for (Run<V>& run : outside_) {
      run.begin -= shift;
      run.end -= shift;
    }
    const auto first = static_cast<std::uint32_t>(core_.raster({z, y, core_.begin.x}));
    const auto lower_first = domain_.raster(lower);
    for_each_contact(row, std::span<const Run<V>>{outside_}, reach, [&](const Run<V>& a, const Run<V>& b) {
      candidates_.push_back({static_cast<std::uint64_t>(lower_first + std::max(b.begin, a.begin - reach)),
                             first + static_cast<std::uint32_t>(a.begin)});
    });
  }

  /// Joins with voxels beside the core, in rows that the core has too.
  void seams_along_x(Index z, Index y) {
    const Coord first{z, y, core_.begin.x}, last{z, y, core_.end.x - 1};
    if (first.x > domain_.begin.x) {
      const V value = rows_.at(first);
      const Coord lower{z, y, first.x - 1};
      if (value != V{0} && rows_.at(lower) == value) {
        // The pair one row above says the same if all four voxels are equal.
        const bool repeated = y > core_.begin.y && rows_.at({z, y - 1, first.x}) == value &&
                              rows_.at({z, y - 1, lower.x}) == value;
        if (!repeated) candidate(first, lower);
      }
      diagonal_seams(first, -1, value);
    }
    if (last.x + 1 < domain_.end.x) diagonal_seams(last, 1, rows_.at(last));
  }

  void diagonal_seams(Coord voxel, Index dx, V value) {
    if (value == V{0}) return;
    for (const auto& [dz, dy] : lower_rows) {
      if (reach_of(connectivity_, dz, dy) < 1) continue;
      const Coord beside{voxel.z + dz, voxel.y + dy, voxel.x}, lower{beside.z, beside.y, voxel.x + dx};
      if (!inside(core_, lower) || rows_.at(lower) != value) continue;
      // Else `lower` is joined to the core's own voxel beside it, by a pair of its own.
      if (rows_.at(beside) != value) candidate(voxel, lower);
    }
  }

  void candidate(Coord own, Coord lower) {
    candidates_.push_back(
        {static_cast<std::uint64_t>(domain_.raster(lower)), static_cast<std::uint32_t>(core_.raster(own))});
  }

  Rows rows_;
  Box domain_, core_;
  int connectivity_;
  std::uint32_t* labels_;
  std::size_t width_;
  std::vector<Run<V>> row_, outside_;
  std::vector<Candidate> candidates_;
};

[[noreturn]] void refuse(const std::string& text) { throw Error{ErrorCode::contract, text}; }

}  // namespace

Halo halo_of(int connectivity) {
  return connectivity == 6 ? Halo::lower(1) : Halo{Extent::cube(1), {0, 1, 1}};
}

std::vector<SeamJoin> fragments_of(const Array& image, const std::optional<Array>& mask,
                                   const Foreground& foreground, int connectivity, LabelArray& fragments) {
  const Box core = fragments.ids.box(), domain = image.domain();
  const Box needed = core.grow(halo_of(connectivity)).intersect(domain);
  if (connectivity != 6 && connectivity != 18 && connectivity != 26)
    refuse("connectivity " + std::to_string(connectivity) + " (there are 6, 18 and 26); choose one of these");
  if (image.channels() != 1)
    refuse("the image has " + std::to_string(image.channels()) +
           " channels (components are those of one); choose another input");
  if (!image.box().contains(needed) || (mask && !mask->box().contains(needed)))
    refuse("the image or mask is too small for core " + to_string(core) +
           " (pairs across its faces would be missed); read " + to_string(needed));
  if (core.voxels() >= std::numeric_limits<std::uint32_t>::max() - 1)
    throw Error{ErrorCode::resource, "block " + to_string(core) +
                                         " has more than 2^32 - 2 voxels (local ids are 32 bits wide); use "
                                         "smaller blocks"};
  return visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    if (foreground.rule != Foreground::Rule::labels)
      return Block{ThresholdRows<T>{image, mask, foreground}, domain, connectivity, fragments}.run(
          fragments.names);
    if constexpr (std::is_same_v<T, float>)
      refuse(
          "components of equal labels were asked of float32 voxels (labels are integers); set a threshold");
    else
      return Block{LabelRows<T>{image, mask}, domain, connectivity, fragments}.run(fragments.names);
  });
}

}  // namespace petavox::components
