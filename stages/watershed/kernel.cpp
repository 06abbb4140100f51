#include "stages/watershed/kernel.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace petavox::watershed {
namespace {

// The six edges of a voxel in the order of their global index, best first: ties go to the greater code.
enum Code : std::uint8_t { z_up = 0, y_up = 1, x_up = 2, x_down = 3, y_down = 4, z_down = 5, none = 6 };
// Which of its lower edges join, as bits.
constexpr std::uint8_t join_z = 1, join_y = 2, join_x = 4;

/// The affinities of a row's edges, entry i for voxel i; nullptr where the edges do not exist. For the two
/// directions along x the existing range is given.
template <class V>
struct EdgeRows {
  const V *z_down = nullptr, *y_down = nullptr, *x_down = nullptr;
  const V *z_up = nullptr, *y_up = nullptr, *x_up = nullptr;
  std::size_t x_down_from = 0, x_up_to = 0;
};

template <class Key, class V>
void accumulate(Key* keys, const V* affinity, std::size_t from, std::size_t to, Code code) {
  if (affinity == nullptr) return;
  for (std::size_t i = from; i < to; ++i)
    keys[i] = std::max(keys[i], static_cast<Key>(affinity[i] * 8 + code));
}

/// The best edge of each voxel, or none if it is below the lower threshold. Key: wide enough for 8 * affinity
/// + 5; the sentinel -1 of an edge that does not exist stays negative.
template <class Key, class V>
void best_edges(const EdgeRows<V>& edges, std::size_t size, std::int32_t low, Key* keys,
                std::uint8_t* codes) {
  std::fill_n(keys, size, static_cast<Key>(-1));
  accumulate(keys, edges.z_down, 0, size, z_down);
  accumulate(keys, edges.y_down, 0, size, y_down);
  accumulate(keys, edges.x_down, edges.x_down_from, size, x_down);
  accumulate(keys, edges.x_up, 0, edges.x_up_to, x_up);
  accumulate(keys, edges.y_up, 0, size, y_up);
  accumulate(keys, edges.z_up, 0, size, z_up);
  const auto least = static_cast<Key>(low * 8);
  for (std::size_t i = 0; i < size; ++i)
    codes[i] = keys[i] >= least ? static_cast<std::uint8_t>(keys[i] & 7) : static_cast<std::uint8_t>(none);
}

/// Adds `bit` where the lower edge joins: it reaches the upper threshold, or is best at one of its ends.
/// `below` are the codes of the lower voxels, nullptr if they are not known (then the joins are not needed).
template <class V>
void add_joins(const V* affinity, const std::uint8_t* codes, const std::uint8_t* below, std::size_t from,
               std::size_t to, std::int32_t high, Code down, Code up, std::uint8_t bit, std::uint8_t* joins) {
  if (affinity == nullptr || below == nullptr) return;
  for (std::size_t i = from; i < to; ++i) {
    const bool joined = (affinity[i] >= high) | (codes[i] == down) | (below[i] == up);
    joins[i] = static_cast<std::uint8_t>(joins[i] | (joined ? bit : 0));
  }
}

/// A seam join before ids are known.
struct Candidate {
  std::uint64_t lower_voxel;
  std::uint32_t voxel;   ///< offset in the core
  std::uint32_t linked;  ///< the offset + 1 of the face neighbour whose lower voxel joins ours, or 0
};

template <class T>
class Block {
 public:
  using Key = std::conditional_t<std::is_same_v<T, std::uint8_t>, std::int16_t, std::int32_t>;

  Block(const Array& affinities, const std::optional<Array>& mask, const Thresholds& thresholds,
        LabelArray& fragments)
      : affinities_{affinities.view<T>()},
        thresholds_{thresholds},
        core_{fragments.ids.box()},
        domain_{affinities.domain()},
        labels_{fragments.ids.view<std::uint32_t>().channel().data()} {
    if (mask) mask_ = mask->view<std::uint8_t>();
    masked_ = mask.has_value();
    scanned_ = core_.grow(Halo::lower(1)).intersect(domain_);
    size_ = usize(scanned_.shape().x);
    const std::size_t plane = usize(scanned_.shape().y) * size_;
    for (auto* buffer : {&codes_, &codes_below_, &joins_, &joins_below_}) buffer->assign(plane, 0);
    keys_.resize(size_);
    for (auto& row : masked_rows_) row.resize(masked_ ? size_ : 0);
  }

  void scan() {
    for (Index z = scanned_.begin.z; z < scanned_.end.z; ++z) {
      std::swap(codes_, codes_below_);
      std::swap(joins_, joins_below_);
      for (Index y = scanned_.begin.y; y < scanned_.end.y; ++y) {
        if (masked_)
          find_joins(masked_edges(z, y), z, y);
        else
          find_joins(edges(z, y), z, y);
        if (z < core_.begin.z || y < core_.begin.y) continue;
        take_seams(z, y);
        unite_row(z, y);
      }
    }
  }

  /// Replaces parents by ids in order of first appearance: a root is the first voxel of its fragment, and a
  /// parent always comes before its child.
  void number(std::vector<Name>& names) {
    const auto voxels = static_cast<std::uint32_t>(core_.voxels());
    names.clear();
    for (std::uint32_t i = 0; i < voxels; ++i) {
      const std::uint32_t parent = labels_[i];
      if (parent == 0) continue;
      if (parent == i + 1) {
        names.push_back(name_of_voxel(domain_, core_.at(i)));
        labels_[i] = static_cast<std::uint32_t>(names.size());
      } else {
        labels_[i] = labels_[parent - 1];
      }
    }
  }

  std::vector<SeamJoin> seams(const std::vector<Name>& names) const {
    std::vector<SeamJoin> joins;
    for (const Candidate& c : candidates_) {
      const std::uint32_t id = labels_[c.voxel];
      if (c.linked != 0 && labels_[c.linked - 1] == id) continue;
      joins.push_back({c.lower_voxel, names[id - 1]});
    }
    return joins;
  }

 private:
  std::size_t row_offset(Index y) const { return usize(y - scanned_.begin.y) * size_; }

  /// The six edges of the voxels of a scanned row, where they exist in the domain.
  EdgeRows<T> edges(Index z, Index y) const {
    const Index x = scanned_.begin.x;
    EdgeRows<T> e;
    if (z > domain_.begin.z) e.z_down = &affinities_.at(0, {z, y, x});
    if (y > domain_.begin.y) e.y_down = &affinities_.at(1, {z, y, x});
    e.x_down = &affinities_.at(2, {z, y, x});
    e.x_down_from = x > domain_.begin.x ? 0 : 1;
    if (z + 1 < domain_.end.z) e.z_up = &affinities_.at(0, {z + 1, y, x});
    if (y + 1 < domain_.end.y) e.y_up = &affinities_.at(1, {z, y + 1, x});
    e.x_up = e.x_down + 1;
    e.x_up_to = scanned_.end.x < domain_.end.x ? size_ : size_ - 1;
    return e;
  }

  /// The same, with -1 for an edge that touches a voxel outside the mask.
  EdgeRows<Key> masked_edges(Index z, Index y) {
    const EdgeRows<T> all = edges(z, y);
    const Index x = scanned_.begin.x;
    const std::uint8_t* here = &mask_[{z, y, x}];
    const auto fill = [&](std::size_t which, const T* affinity, const std::uint8_t* there, std::size_t from,
                          std::size_t to) -> const Key* {
      if (affinity == nullptr) return nullptr;
      Key* row = masked_rows_[which].data();
      std::fill_n(row, size_, static_cast<Key>(-1));
      for (std::size_t i = from; i < to; ++i)
        if (here[i] != 0 && there[i] != 0) row[i] = static_cast<Key>(affinity[i]);
      return row;
    };
    EdgeRows<Key> e;
    if (all.z_down) e.z_down = fill(0, all.z_down, &mask_[{z - 1, y, x}], 0, size_);
    if (all.y_down) e.y_down = fill(1, all.y_down, &mask_[{z, y - 1, x}], 0, size_);
    e.x_down = fill(2, all.x_down, here - 1, all.x_down_from, size_);
    e.x_down_from = all.x_down_from;
    if (all.z_up) e.z_up = fill(3, all.z_up, &mask_[{z + 1, y, x}], 0, size_);
    if (all.y_up) e.y_up = fill(4, all.y_up, &mask_[{z, y + 1, x}], 0, size_);
    e.x_up = fill(5, all.x_up, here + 1, 0, all.x_up_to);
    e.x_up_to = all.x_up_to;
    return e;
  }

  template <class V>
  void find_joins(const EdgeRows<V>& e, Index z, Index y) {
    std::uint8_t* codes = codes_.data() + row_offset(y);
    std::uint8_t* joins = joins_.data() + row_offset(y);
    best_edges(e, size_, thresholds_.low, keys_.data(), codes);
    std::fill_n(joins, size_, std::uint8_t{0});
    const std::uint8_t* below_z = z > scanned_.begin.z ? codes_below_.data() + row_offset(y) : nullptr;
    const std::uint8_t* below_y = y > scanned_.begin.y ? codes - size_ : nullptr;
    const std::int32_t high = thresholds_.high;
    add_joins(e.z_down, codes, below_z, 0, size_, high, z_down, z_up, join_z, joins);
    add_joins(e.y_down, codes, below_y, 0, size_, high, y_down, y_up, join_y, joins);
    add_joins(e.x_down, codes, codes - 1, 1, size_, high, x_down, x_up, join_x, joins);
  }

  /// Moves the joins of a core row that cross a lower face of the core to the candidates.
  void take_seams(Index z, Index y) {
    const std::size_t skip = usize(core_.begin.x - scanned_.begin.x);
    std::uint8_t* joins = joins_.data() + row_offset(y);
    const auto first = static_cast<std::uint32_t>(core_.raster({z, y, core_.begin.x}));
    const auto width = static_cast<std::uint32_t>(core_.shape().x);
    const auto take = [&](std::uint8_t bit, Coord lower, const std::uint8_t* lower_joins) {
      const auto lower_first = static_cast<std::uint64_t>(domain_.raster(lower));
      for (std::uint32_t i = 0; i < width; ++i) {
        if ((joins[skip + i] & bit) == 0) continue;
        const bool linked =
            i > 0 && (joins[skip + i - 1] & linked_bit) != 0 && (lower_joins[skip + i] & join_x) != 0;
        candidates_.push_back({lower_first + i, first + i, linked ? first + i : 0});
        joins[skip + i] = static_cast<std::uint8_t>((joins[skip + i] & ~bit) | linked_bit);
      }
      for (std::uint32_t i = 0; i < width; ++i)
        joins[skip + i] = static_cast<std::uint8_t>(joins[skip + i] & ~linked_bit);
    };
    if (z == core_.begin.z && z > domain_.begin.z)
      take(join_z, {z - 1, y, core_.begin.x}, joins_below_.data() + row_offset(y));
    if (y == core_.begin.y && y > domain_.begin.y) take(join_y, {z, y - 1, core_.begin.x}, joins - size_);
    if (skip == 1 && (joins[1] & join_x) != 0) {
      const bool linked = y > core_.begin.y && x_seam_above_ && (joins[0] & join_y) != 0;
      candidates_.push_back({static_cast<std::uint64_t>(domain_.raster({z, y, core_.begin.x - 1})), first,
                             linked ? first - width + 1 : 0});
      joins[1] = static_cast<std::uint8_t>(joins[1] & ~join_x);
      x_seam_above_ = true;
    } else {
      x_seam_above_ = false;
    }
  }

  std::uint32_t root(std::uint32_t i) const {
    while (labels_[i] != i + 1) {
      const std::uint32_t parent = labels_[i] - 1;
      labels_[i] = labels_[parent];
      i = labels_[i] - 1;
    }
    return i;
  }

  std::uint32_t united(std::uint32_t a, std::uint32_t b) const {
    if (a == b) return a;
    if (a > b) std::swap(a, b);
    labels_[b] = a + 1;
    return a;
  }

  /// Each voxel's label is 1 + the offset of its parent, an earlier voxel or itself; 0 for background.
  void unite_row(Index z, Index y) {
    const std::size_t skip = usize(core_.begin.x - scanned_.begin.x);
    const std::uint8_t* joins = joins_.data() + row_offset(y) + skip;
    const std::uint8_t* codes = codes_.data() + row_offset(y) + skip;
    const auto width = static_cast<std::uint32_t>(core_.shape().x);
    const auto plane = static_cast<std::uint32_t>(core_.shape().y) * width;
    const auto first = static_cast<std::uint32_t>(core_.raster({z, y, core_.begin.x}));
    std::uint32_t current = 0;  // root of the voxel before
    for (std::uint32_t i = 0; i < width; ++i) {
      const std::uint32_t here = first + i;
      const std::uint8_t join = joins[i];
      if (join == 0) {
        labels_[here] = codes[i] == none ? 0 : here + 1;
        current = here;
        continue;
      }
      if (join == join_x) {
        labels_[here] = current + 1;
        continue;
      }
      std::uint32_t to = (join & join_x) != 0 ? current : here;
      labels_[here] = to + 1;
      if ((join & join_y) != 0) to = united(to, root(here - width));
      if ((join & join_z) != 0) to = united(to, root(here - plane));
      labels_[here] = to + 1;
      current = to;
    }
  }

  static constexpr std::uint8_t linked_bit = 8;

  View<const T> affinities_;
  View<const std::uint8_t> mask_;
  bool masked_ = false;
  Thresholds thresholds_;
  Box core_, domain_, scanned_;
  std::uint32_t* labels_;
  std::size_t size_ = 0;  // of a scanned row
  std::vector<std::uint8_t> codes_, codes_below_, joins_, joins_below_;
  std::vector<Key> keys_;
  std::array<std::vector<Key>, 6> masked_rows_;
  std::vector<Candidate> candidates_;
  bool x_seam_above_ = false;
};

std::int32_t integer_threshold(double fraction, std::int32_t max) {
  std::int32_t a = 0;
  while (a <= max && static_cast<double>(a) / static_cast<double>(max) < fraction) ++a;
  return a;
}

[[noreturn]] void refuse(const std::string& text) { throw Error{ErrorCode::contract, text}; }

}  // namespace

Thresholds thresholds_of(double low, double high, DType type) {
  const std::int32_t max = type == DType::u8 ? 255 : 65535;
  return {integer_threshold(low, max), integer_threshold(high, max)};
}

Box affinities_needed(const Box& core, const Box& domain) {
  return core.grow(Halo::uniform(1)).intersect(domain);
}

Box mask_needed(const Box& core, const Box& domain) {
  return core.grow({Extent::cube(2), Extent::cube(1)}).intersect(domain);
}

std::vector<SeamJoin> fragments_of(const Array& affinities, const std::optional<Array>& mask,
                                   const Thresholds& thresholds, LabelArray& fragments) {
  const Box core = fragments.ids.box();
  if (affinities.channels() != 3)
    refuse("affinities have " + std::to_string(affinities.channels()) +
           " channels (the watershed needs one for each of z, y, x); choose another input");
  if (!affinities.box().contains(affinities_needed(core, affinities.domain())))
    refuse("affinities over " + to_string(affinities.box()) + " are too few for core " + to_string(core) +
           " (edges across its faces would be missed); read one voxel more on each side");
  if (mask && !mask->box().contains(mask_needed(core, affinities.domain())))
    refuse("the mask over " + to_string(mask->box()) + " is too small for core " + to_string(core) +
           " (edges across its faces would be missed); read two voxels more below, one above");
  if (core.voxels() >= std::numeric_limits<std::uint32_t>::max() - 1)
    throw Error{ErrorCode::resource, "block " + to_string(core) +
                                         " has more than 2^32 - 2 voxels (local ids are 32 bits wide); use "
                                         "smaller blocks"};
  const auto compute = [&]<class T>(std::type_identity<T>) {
    Block<T> block{affinities, mask, thresholds, fragments};
    block.scan();
    block.number(fragments.names);
    return block.seams(fragments.names);
  };
  if (affinities.dtype() == DType::u8) return compute(std::type_identity<std::uint8_t>{});
  if (affinities.dtype() == DType::u16) return compute(std::type_identity<std::uint16_t>{});
  refuse(std::string{"affinities are "} + name_of(affinities.dtype()) +
         " (the watershed orders uint8 or uint16 exactly); quantise them first");
}

}  // namespace petavox::watershed
