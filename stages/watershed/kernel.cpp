#include "stages/watershed/kernel.hpp"

#include "petavox/volume/run_components.hpp"

#include "stages/watershed/edge_bits.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace petavox::watershed {
namespace {

/// A seam join before ids are known.
struct Candidate {
  std::uint64_t lower_voxel;
  std::uint32_t voxel;   ///< offset in the core
  std::uint32_t linked;  ///< the offset + 1 of the face neighbour whose lower voxel joins ours, or 0
};

/// Calls f(i) for each bit i that is set.
template <class F>
void for_each_bit(const std::vector<std::uint64_t>& bits, F&& f) {
  for (std::size_t w = 0; w < bits.size(); ++w)
    for (std::uint64_t rest = bits[w]; rest != 0; rest &= rest - 1)
      f(w * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
}

bool bit(const std::uint64_t* bits, std::size_t i) { return (bits[i / 64] >> i % 64 & 1) != 0; }

template <class T>
class Block {
 public:
  Block(const Array& affinities, const std::optional<Array>& mask, const Thresholds& thresholds,
        LabelArray& fragments)
      : affinities_{affinities.view<T>()},
        thresholds_{thresholds},
        core_{fragments.ids.box()},
        domain_{affinities.domain()},
        scanned_{core_.grow(Halo::lower(1)).intersect(domain_)},
        skip_{usize(core_.begin.x - scanned_.begin.x)},
        width_{usize(scanned_.shape().x)},
        words_{words_of(width_)},
        labels_{fragments.ids.view<std::uint32_t>().channel().data()},
        components_{core_, labels_},
        edge_bits_{width_} {
    masked_ = mask.has_value();
    if (mask) mask_ = mask->view<std::uint8_t>();
    for (auto& row : masked_rows_) row.resize(masked_ ? width_ : 0);
    for (auto& bits : exists_) bits.resize(masked_ ? words_ : 0);
    const std::size_t rows = usize(scanned_.shape().y);
    up_z_.resize(rows * words_);
    joins_x_below_.resize(rows * words_);
    for (auto* bits : {&up_y_, &joins_z_, &joins_y_, &joins_x_, &joins_x_before_, &any_})
      bits->resize(words_);
  }

  void scan(std::vector<Name>& names) {
    for (Index z = scanned_.begin.z; z < scanned_.end.z; ++z) {
      for (Index y = scanned_.begin.y; y < scanned_.end.y; ++y) {
        find_joins(masked_ ? masked_edges(z, y) : edges(z, y), z, y);
        if (z >= core_.begin.z && y >= core_.begin.y) {
          take_seams(z, y);
          add_row(y);
        }
        std::swap(joins_x_, joins_x_before_);
      }
      if (z >= core_.begin.z) components_.end_plane();
    }
    components_.finish(domain_, names);
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
  std::uint64_t* row_of(std::vector<std::uint64_t>& plane, Index y) const {
    return plane.data() + usize(y - scanned_.begin.y) * words_;
  }

  /// The six edges of the voxels of a scanned row, where they exist in the domain.
  EdgeRows<T> edges(Index z, Index y) const {
    const Index x = scanned_.begin.x;
    EdgeRows<T> e;
    if (z > domain_.begin.z) e[z_down] = {&affinities_.at(0, {z, y, x}), 0, width_};
    if (y > domain_.begin.y) e[y_down] = {&affinities_.at(1, {z, y, x}), 0, width_};
    const T* along_x = &affinities_.at(2, {z, y, x});
    e[x_down] = {along_x, x > domain_.begin.x ? std::size_t{0} : 1, width_};
    const std::size_t last = scanned_.end.x < domain_.end.x ? width_ : width_ - 1;
    // The edge after the last voxel of the volume is not there, nor is its affinity in the array.
    if (last > 0) e[x_up] = {along_x + 1, 0, last};
    if (y + 1 < domain_.end.y) e[y_up] = {&affinities_.at(1, {z, y + 1, x}), 0, width_};
    if (z + 1 < domain_.end.z) e[z_up] = {&affinities_.at(0, {z + 1, y, x}), 0, width_};
    return e;
  }

  /// The same, with 0 for an edge that touches a voxel outside the mask, and bits of the others.
  EdgeRows<T> masked_edges(Index z, Index y) {
    constexpr Extent steps[num_directions] = {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1},
                                              {0, 0, 1},  {0, 1, 0},  {1, 0, 0}};
    EdgeRows<T> e = edges(z, y);
    const Coord first{z, y, scanned_.begin.x};
    const std::uint8_t* here = &mask_[first];
    for (std::size_t d = 0; d < num_directions; ++d) {
      EdgeRow<T>& edge = e[d];
      if (edge.affinity == nullptr) continue;
      const Coord start = first + Extent{0, 0, static_cast<Index>(edge.from)};
      const std::uint8_t* there = &mask_[start + steps[d]] - edge.from;
      T* row = masked_rows_[d].data();
      std::fill(exists_[d].begin(), exists_[d].end(), std::uint64_t{0});
      std::fill_n(row, width_, T{0});
      for (std::size_t i = edge.from; i < edge.to; ++i) {
        if (here[i] == 0 || there[i] == 0) continue;
        row[i] = edge.affinity[i];
        exists_[d][i / 64] |= std::uint64_t{1} << i % 64;
      }
      edge.affinity = row;
      edge.exists = exists_[d].data();
    }
    return e;
  }

  /// An edge joins if it reaches the upper threshold, or is best at one of its ends. What is not known about
  /// the row or plane before the scanned ones is not needed.
  void find_joins(const EdgeRows<T>& e, Index z, Index y) {
    edge_bits_.find_best(e, thresholds_.low);
    std::copy_n(edge_bits_.any(), words_, any_.begin());
    std::uint64_t* up_z = row_of(up_z_, y);
    const bool below_z = z > scanned_.begin.z, below_y = y > scanned_.begin.y;
    edge_bits_.find_high(e[z_down], thresholds_.high, joins_z_.data());
    edge_bits_.find_high(e[y_down], thresholds_.high, joins_y_.data());
    edge_bits_.find_high(e[x_down], thresholds_.high, joins_x_.data());
    std::uint64_t carry = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      joins_z_[w] = below_z ? joins_z_[w] | edge_bits_.best_is(z_down)[w] | up_z[w] : 0;
      joins_y_[w] = below_y ? joins_y_[w] | edge_bits_.best_is(y_down)[w] | up_y_[w] : 0;
      const std::uint64_t up_x = edge_bits_.best_is(x_up)[w];
      joins_x_[w] |= edge_bits_.best_is(x_down)[w] | up_x << 1 | carry;
      carry = up_x >> 63;
      up_z[w] = edge_bits_.best_is(z_up)[w];
      up_y_[w] = edge_bits_.best_is(y_up)[w];
    }
    joins_x_[0] &= ~std::uint64_t{1};  // the voxel before it is not scanned
    if (width_ % 64 != 0) joins_x_[words_ - 1] &= ~std::uint64_t{0} >> (64 - width_ % 64);
    if (z < core_.begin.z) std::copy_n(joins_x_.begin(), words_, row_of(joins_x_below_, y));
  }

  /// Moves the joins of a core row that cross a lower face of the core to the candidates.
  void take_seams(Index z, Index y) {
    const auto first = static_cast<std::uint32_t>(core_.raster({z, y, core_.begin.x}));
    const auto take = [&](std::vector<std::uint64_t>& joins, Coord lower,
                          const std::uint64_t* lower_joins_x) {
      const auto lower_first = static_cast<std::uint64_t>(domain_.raster(lower));
      for_each_bit(joins, [&](std::size_t i) {
        if (i < skip_) return;
        const auto at = static_cast<std::uint32_t>(i - skip_);
        const bool linked = at > 0 && bit(joins.data(), i - 1) && bit(lower_joins_x, i);
        candidates_.push_back({lower_first + at, first + at, linked ? first + at : 0});
      });
      joins[0] &= skip_;  // keeps the bit of the voxel before the core, if there is one
      std::fill(joins.begin() + 1, joins.end(), std::uint64_t{0});
    };
    if (z == core_.begin.z && z > domain_.begin.z)
      take(joins_z_, {z - 1, y, core_.begin.x}, row_of(joins_x_below_, y));
    if (y == core_.begin.y && y > domain_.begin.y)
      take(joins_y_, {z, y - 1, core_.begin.x}, joins_x_before_.data());
    const bool seam = skip_ == 1 && bit(joins_x_.data(), 1);
    if (seam) {
      const bool linked = y > core_.begin.y && x_seam_above_ && bit(joins_y_.data(), 0);
      candidates_.push_back({static_cast<std::uint64_t>(domain_.raster({z, y, core_.begin.x - 1})), first,
                             linked ? first - static_cast<std::uint32_t>(core_.shape().x) + 1 : 0});
    }
    x_seam_above_ = seam;
  }

  /// Bits of the core's part of a scanned row.
  std::uint64_t core_word(const std::vector<std::uint64_t>& bits, std::size_t w) const {
    if (skip_ == 0) return bits[w];
    return bits[w] >> 1 | (w + 1 < words_ ? bits[w + 1] << 63 : 0);
  }

  void add_row(Index y) {
    const std::size_t row_number = usize(y - core_.begin.y);
    const RunComponents::Row row = components_.row(row_number);
    std::uint64_t carry = 0;
    for (std::size_t w = 0; w < components_.words(); ++w) {
      row.joins_z[w] = core_word(joins_z_, w);
      row.joins_y[w] = core_word(joins_y_, w);
      any_[w] = core_word(any_, w);
      const std::uint64_t background = ~any_[w];
      row.starts[w] = ~(core_word(joins_x_, w) | (background & (background << 1 | carry)));
      carry = background >> 63;
    }
    row.starts[0] |= 1;
    components_.clear_end(row.starts);
    components_.add_row(row_number, any_.data());
  }

  View<const T> affinities_;
  View<const std::uint8_t> mask_;
  bool masked_ = false;
  Thresholds thresholds_;
  Box core_, domain_, scanned_;
  std::size_t skip_, width_, words_;  // of a scanned row; skip_ voxels of it, 0 or 1, are before the core
  std::uint32_t* labels_;
  RunComponents components_;
  EdgeBits<T> edge_bits_;
  std::array<std::vector<T>, num_directions> masked_rows_;
  std::array<std::vector<std::uint64_t>, num_directions> exists_;
  std::vector<std::uint64_t> up_z_;           // of the plane before: voxels whose best edge leads to this one
  std::vector<std::uint64_t> joins_x_below_;  // of the plane below the core
  std::vector<std::uint64_t> up_y_, joins_z_, joins_y_, joins_x_, joins_x_before_, any_;
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
  if (core.empty()) {
    fragments.names.clear();
    return {};
  }
  const auto compute = [&]<class T>(std::type_identity<T>) {
    Block<T> block{affinities, mask, thresholds, fragments};
    block.scan(fragments.names);
    return block.seams(fragments.names);
  };
  if (affinities.dtype() == DType::u8) return compute(std::type_identity<std::uint8_t>{});
  if (affinities.dtype() == DType::u16) return compute(std::type_identity<std::uint16_t>{});
  refuse(std::string{"affinities are "} + name_of(affinities.dtype()) +
         " (the watershed orders uint8 or uint16 exactly); quantise them first");
}

}  // namespace petavox::watershed
