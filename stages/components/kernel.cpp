#include "stages/components/kernel.hpp"

#include "stages/components/foreground.hpp"

#include <algorithm>

namespace petavox::components {
namespace {

/// A stretch of equal foreground voxels of one row; positions count from the first voxel scanned.
template <class V>
struct Run {
  std::int32_t begin, end;
  std::uint32_t number;  ///< in raster order, from 0; of no meaning outside the core
  V value;
};

template <class V>
void find_runs(const V* row, std::int32_t size, std::vector<Run<V>>& runs) {
  for (std::int32_t i = 0; i < size;) {
    const V value = row[i];
    const std::int32_t begin = i;
    do ++i;
    while (i < size && row[i] == value);
    if (value != V{0}) runs.push_back({begin, i, 0, value});
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
    unite_runs();
    const std::uint32_t count = number_runs();
    write(names, count);
    std::vector<SeamJoin> joins;
    for (const Candidate& c : candidates_) joins.push_back({c.lower_voxel, names[labels_[c.voxel] - 1]});
    return joins;
  }

 private:
  struct Candidate {
    std::uint64_t lower_voxel;
    std::uint32_t voxel;  ///< offset in the core
  };
  /// The runs of a plane of the core, row by row.
  struct Plane {
    std::vector<Run<V>> runs;
    std::vector<std::size_t> ends;  // of each row's runs
    std::span<const Run<V>> row(std::size_t y) const {
      const std::size_t begin = y == 0 ? 0 : ends[y - 1];
      return {runs.data() + begin, ends[y] - begin};
    }
  };

  void unite_runs() {
    Plane below, here;
    for (Index z = core_.begin.z; z < core_.end.z; ++z) {
      std::swap(below, here);
      here.runs.clear();
      here.ends.clear();
      for (Index y = core_.begin.y; y < core_.end.y; ++y) {
        const std::size_t first = here.runs.size();
        find_runs(rows_.row(z, y, core_.begin.x, width_), static_cast<std::int32_t>(width_), here.runs);
        here.ends.push_back(here.runs.size());
        for (std::size_t i = first; i < here.runs.size(); ++i) {
          here.runs[i].number = static_cast<std::uint32_t>(parents_.size());
          parents_.push_back(here.runs[i].number);
        }
        const auto row = here.row(here.ends.size() - 1);
        for (const auto& [dz, dy] : lower_rows) {
          const std::int32_t reach = reach_of(connectivity_, dz, dy);
          const Coord lower{z + dz, y + dy, core_.begin.x};
          if (reach < 0 || !inside(domain_, lower)) continue;
          if (inside(core_, lower))
            for_each_contact(row, (dz == 0 ? here : below).row(usize(lower.y - core_.begin.y)), reach,
                             [&](const Run<V>& a, const Run<V>& b) { unite(a.number, b.number); });
          else
            seams_with_row(row, z, y, lower, reach);
        }
        seams_along_x(z, y);
      }
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

  std::uint32_t root(std::uint32_t i) {
    while (parents_[i] != i) {
      parents_[i] = parents_[parents_[i]];
      i = parents_[i];
    }
    return i;
  }

  void unite(std::uint32_t a, std::uint32_t b) {
    a = root(a);
    b = root(b);
    if (a != b) parents_[std::max(a, b)] = std::min(a, b);
  }

  /// Replaces parents by ids in order of first appearance; a parent comes before its child.
  std::uint32_t number_runs() {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < parents_.size(); ++i)
      parents_[i] = parents_[i] == i ? ++count : parents_[parents_[i]];
    return count;
  }

  void write(std::vector<Name>& names, std::uint32_t count) {
    names.clear();
    names.reserve(count);
    const std::uint32_t* id = parents_.data();
    std::uint32_t* out = labels_;
    for (Index z = core_.begin.z; z < core_.end.z; ++z)
      for (Index y = core_.begin.y; y < core_.end.y; ++y) {
        const V* row = rows_.row(z, y, core_.begin.x, width_);
        for (std::size_t i = 0; i < width_;) {
          const V value = row[i];
          const std::uint32_t label = value == V{0} ? 0 : *id++;
          if (label > names.size())
            names.push_back(name_of_voxel(domain_, {z, y, core_.begin.x + static_cast<Index>(i)}));
          do out[i++] = label;
          while (i < width_ && row[i] == value);
        }
        out += width_;
      }
  }

  Rows rows_;
  Box domain_, core_;
  int connectivity_;
  std::uint32_t* labels_;
  std::size_t width_;
  std::vector<std::uint32_t> parents_;  // of each run of the core
  std::vector<Run<V>> outside_;
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
