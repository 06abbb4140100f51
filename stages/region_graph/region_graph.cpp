#include "stages/region_graph/region_graph.hpp"

#include "petavox/volume/bit_rows.hpp"
#include "petavox/volume/huge_pages.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

namespace petavox::region_graph {
namespace {

/// Position of each local id in the order of names; [0] is unused.
std::vector<std::uint32_t> ranks_of(const std::vector<Name>& names) {
  std::vector<std::uint32_t> order(names.size()), ranks(names.size() + 1);
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });
  for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks[order[rank] + 1] = rank;
  return ranks;
}

/// The bits of the last word of a row that are voxels of it.
std::uint64_t last_word(std::size_t size) { return ~std::uint64_t{0} >> (words_of(size) * 64 - size); }

}  // namespace

std::vector<Column> edge_columns() { return {{"u"}, {"v"}, {"sum"}, {"count"}, {"key"}}; }
std::vector<Column> node_columns() { return {{"name"}, {"voxels"}, {"faces"}}; }

Builder::Builder(const LabelArray& labels, const Box& core, const Box& domain)
    : labels_{labels},
      core_{core},
      domain_{domain},
      contacts_{labels.names.size()},
      voxels_(labels.names.size() + 1) {
  Box needed = core;
  for (int axis = 0; axis < 3; ++axis)
    needed.begin[axis] = std::max(domain.begin[axis], core.begin[axis] - 1);
  if (!labels.ids.box().contains(needed) || labels.ids.dtype() != DType::u32)
    throw Error{ErrorCode::contract, "the labels of box " + to_string(labels.ids.box()) + " do not cover " +
                                         to_string(needed) +
                                         " (contacts would be lost); read one voxel below the core"};
  if (core.voxels() > static_cast<Index>(0xffffffffU / 3))
    throw Error{ErrorCode::resource,
                "box " + to_string(core) +
                    " has 2^32 voxel edges or more (they are counted in 32 bits); use smaller "
                    "blocks"};
  const auto row = static_cast<std::size_t>(core.shape().x);
  for (RowBits* bits : {&here_, &below_y_, &below_z_}) {
    bits->starts.resize(words_of(row));
    bits->inside.resize(words_of(row));
  }
  edges_.resize(words_of(row));
  breaks_.resize(words_of(row));
  stretches_.resize(row);
}

void Builder::add(const Array& affinities) {
  if (affinities.channels() != 3 || !core_.contains(affinities.box()))
    throw Error{ErrorCode::contract, "affinities of box " + to_string(affinities.box()) + " with " +
                                         std::to_string(affinities.channels()) + " channels (a part of " +
                                         to_string(core_) +
                                         " with the channels z, y, x is needed); connect an affinity volume"};
  if (affinities.dtype() == DType::u8) {
    unit_ = affinity_one / std::numeric_limits<std::uint8_t>::max();
    return add_rows(affinities.view<std::uint8_t>());
  }
  if (affinities.dtype() == DType::u16) return add_rows(affinities.view<std::uint16_t>());
  throw Error{ErrorCode::contract, std::string{"affinities are "} + name_of(affinities.dtype()) +
                                       " (only uint8 and uint16 add up exactly); quantise them first"};
}

template <class T>
void Builder::add_rows(const View<const T>& affinities) {
  const View<const std::uint32_t> ids = labels_.ids.view<std::uint32_t>();
  const Box& box = affinities.box();
  const auto size = static_cast<std::size_t>(box.shape().x);
  if (size == 0) return;
  const Coord low = domain_.begin;
  // Strip by strip, all planes of each: what touches a strip of a few planes fits into the processor's cache.
  constexpr Index strip = 32;
  for (Index from = box.begin.y; from < box.end.y; from += strip)
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = from; y < std::min(from + strip, box.end.y); ++y) {
        const std::uint32_t* row = &ids[{z, y, box.begin.x}];
        const auto key = static_cast<std::uint32_t>(3 * core_.raster({z, y, box.begin.x}));
        if (y > from)
          std::swap(here_, below_y_);
        else if (y > low.y)
          find_bits(row - ids.stride(1), size, below_y_);
        find_bits(row, size, here_);
        count_voxels(row, size);
        add_along(row, affinities.row(z, y, 2).data(), size, box.begin.x > low.x, key + 2);
        if (y > low.y)
          add_across(row, row - ids.stride(1), affinities.row(z, y, 1).data(), size, below_y_, key + 1);
        if (z > low.z) {
          find_bits(row - ids.stride(0), size, below_z_);
          add_across(row, row - ids.stride(0), affinities.row(z, y, 0).data(), size, below_z_, key);
        }
      }
}

void Builder::find_bits(const std::uint32_t* row, std::size_t size, RowBits& bits) const {
  nonzero_bits(row, size, bits.inside.data());
  const std::size_t words = words_of(size);
  std::uint64_t* starts = bits.starts.data();
  starts[words - 1] = 0;
  equal_bits(row + 1, row, size - 1, starts);
  std::uint64_t carry = 0;  // the first voxel is a start
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t equal = starts[w];
    starts[w] = ~(equal << 1 | carry);
    carry = equal >> 63;
  }
  starts[words - 1] &= last_word(size);
}

void Builder::count_voxels(const std::uint32_t* row, std::size_t size) {
  std::size_t run = 0;  // where the current run of equal ids began
  for (std::size_t w = 0; w < words_of(size); ++w)
    for (std::uint64_t rest = here_.starts[w]; rest != 0; rest &= rest - 1) {
      const std::size_t at = w * 64 + static_cast<std::size_t>(std::countr_zero(rest));
      voxels_[row[run]] += at - run;
      run = at;
    }
  voxels_[row[run]] += size - run;
}

template <class T>
void Builder::add_across(const std::uint32_t* row, const std::uint32_t* lower, const T* affinity,
                         std::size_t size, const RowBits& lower_bits, std::uint32_t key) {
  const std::size_t words = words_of(size);
  equal_bits(row, lower, size, edges_.data());
  for (std::size_t w = 0; w < words; ++w) {
    edges_[w] = ~edges_[w] & here_.inside[w] & lower_bits.inside[w];
    breaks_[w] = here_.starts[w] | lower_bits.starts[w];
  }
  OpenContacts contacts = contacts_.open();
  add_edges(EdgeRow<T>{row, lower, affinity, edges_.data(), breaks_.data(), size, key}, stretches_.data(),
            contacts);
}

template <class T>
void Builder::add_along(const std::uint32_t* row, const T* affinity, std::size_t size, bool has_lower,
                        std::uint32_t key) {
  const std::size_t words = words_of(size);
  std::uint64_t carry = has_lower && row[-1] != 0 && row[-1] != row[0] ? 1 : 0;
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t inside = here_.inside[w];
    edges_[w] = here_.starts[w] & inside & (inside << 1 | carry);
    carry = inside >> 63;
    breaks_[w] = ~std::uint64_t{0};
  }
  OpenContacts contacts = contacts_.open();
  add_edges(EdgeRow<T>{row, row - 1, affinity, edges_.data(), breaks_.data(), size, key}, stretches_.data(),
            contacts);
}

std::uint64_t Builder::global_key(std::uint32_t key) const {
  return 3 * static_cast<std::uint64_t>(domain_.raster(core_.at(static_cast<Index>(key / 3)))) + key % 3;
}

std::vector<Edge> Builder::edges() const {
  // Local ids are mostly numbered in the order of their names; then nothing is looked up.
  if (std::is_sorted(labels_.names.begin(), labels_.names.end()))
    return edges_by([](std::uint32_t id) { return id - 1; });
  return edges_by([ranks = ranks_of(labels_.names)](std::uint32_t id) { return ranks[id]; });
}

template <class Rank>
std::vector<Edge> Builder::edges_by(const Rank& rank) const {
  // Counted by the first of their two names and put into their places; those of one name are sorted.
  std::vector<std::uint32_t> next(labels_.names.size() + 1);
  contacts_.for_each(
      [&](std::uint32_t a, std::uint32_t b, const ContactSum&) { ++next[std::min(rank(a), rank(b)) + 1]; });
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<Edge> edges;
  edges.reserve(next.back());
  prefer_huge_pages(std::as_writable_bytes(std::span{edges.data(), edges.capacity()}));
  edges.resize(next.back());
  contacts_.for_each([&](std::uint32_t a, std::uint32_t b, const ContactSum& c) {
    if (rank(b) < rank(a)) std::swap(a, b);
    edges[next[rank(a)]++] = {labels_.name(a), labels_.name(b), unit_ * c.sum, c.count, global_key(c.key)};
  });
  const auto by_v = [](const Edge& a, const Edge& b) { return a.v < b.v; };
  std::size_t begin = 0;
  for (std::size_t u = 0; u < labels_.names.size(); ++u) {
    const auto first = edges.begin() + static_cast<std::ptrdiff_t>(begin),
               last = edges.begin() + static_cast<std::ptrdiff_t>(next[u]);
    if (!std::is_sorted(first, last, by_v)) std::sort(first, last, by_v);
    begin = next[u];
  }
  return edges;
}

std::vector<Node> Builder::nodes() const { return nodes_of(labels_, core_, voxels_); }

std::vector<Node> nodes_of(const LabelArray& labels, const Box& core, std::span<const std::uint64_t> voxels) {
  const View<const std::uint32_t> ids = labels.ids.view<std::uint32_t>();
  std::vector<FaceMask> faces(labels.names.size() + 1);
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true}) {
      const FaceMask bit = face_bit(axis, high);
      face_layer(core, axis, high).for_each([&](Coord p) {
        FaceMask& mask = faces[ids[p]];
        mask = static_cast<FaceMask>(mask | bit);
      });
    }
  std::vector<Node> nodes;
  for (std::uint32_t id = 1; id < voxels.size(); ++id)
    if (voxels[id] > 0) nodes.push_back({labels.name(id), voxels[id], faces[id]});
  const auto by_name = [](const Node& a, const Node& b) { return a.name < b.name; };
  if (!std::is_sorted(nodes.begin(), nodes.end(), by_name)) std::sort(nodes.begin(), nodes.end(), by_name);
  return nodes;
}

}  // namespace petavox::region_graph
