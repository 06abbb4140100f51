#include "stages/region_graph/region_graph.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace petavox::region_graph {
namespace {

/// Sets byte i of `flags` to 1 where a[i] != b[i]. Written so that compilers vectorise it.
void mark_differences(const std::uint32_t* a, const std::uint32_t* b, std::size_t size,
                      unsigned char* flags) {
  for (std::size_t i = 0; i < size; ++i) flags[i] = static_cast<unsigned char>(a[i] != b[i]);
}

/// Calls f(i) for each byte of the row that is set, ascending. Bytes from `size` to a multiple of 8 are 0.
template <class F>
void for_each_mark(const std::vector<std::uint64_t>& flags, std::size_t size, F&& f) {
  for (std::size_t word = 0; word * 8 < size; ++word)
    for (std::uint64_t bits = flags[word]; bits != 0; bits &= bits - 1)
      f(word * 8 + static_cast<std::size_t>(std::countr_zero(bits)) / 8);
}

template <class T>
constexpr std::uint64_t scale_of() {
  return affinity_one / std::numeric_limits<T>::max();
}

/// Position of each local id in the order of names; [0] is unused.
std::vector<std::uint32_t> ranks_of(const std::vector<Name>& names) {
  std::vector<std::uint32_t> order(names.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });
  std::vector<std::uint32_t> ranks(names.size() + 1);
  for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks[order[rank] + 1] = rank;
  return ranks;
}

}  // namespace

std::vector<Column> edge_columns() { return {{"u"}, {"v"}, {"sum"}, {"count"}, {"key"}}; }
std::vector<Column> node_columns() { return {{"name"}, {"voxels"}, {"faces"}}; }

Builder::Builder(const LabelArray& labels, const Box& core, const Box& domain)
    : labels_{labels}, core_{core}, domain_{domain}, voxels_(labels.names.size() + 1) {
  Box needed = core;
  for (int axis = 0; axis < 3; ++axis)
    needed.begin[axis] = std::max(domain.begin[axis], core.begin[axis] - 1);
  if (!labels.ids.box().contains(needed) || labels.ids.dtype() != DType::u32)
    throw Error{ErrorCode::contract, "the labels of box " + to_string(labels.ids.box()) + " do not cover " +
                                         to_string(needed) +
                                         " (contacts would be lost); read one voxel below the core"};
  const auto row = static_cast<std::size_t>(core.shape().x);
  differs_.resize(row / 8 + 1);
  for (auto& hints : hints_) hints.resize(row);
  sums_.reserve(std::min(4 * labels.names.size(), static_cast<std::size_t>(core.voxels())));
}

void Builder::add(const Array& affinities) {
  if (affinities.channels() != 3 || !core_.contains(affinities.box()))
    throw Error{ErrorCode::contract, "affinities of box " + to_string(affinities.box()) + " with " +
                                         std::to_string(affinities.channels()) + " channels (a part of " +
                                         to_string(core_) +
                                         " with the channels z, y, x is needed); connect an affinity volume"};
  if (affinities.dtype() == DType::u8) return add_rows(affinities.view<std::uint8_t>());
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
  std::fill(differs_.begin(), differs_.end(), 0);
  const Coord low = domain_.begin;
  for (Index z = box.begin.z; z < box.end.z; ++z)
    for (Index y = box.begin.y; y < box.end.y; ++y) {
      const std::uint32_t* row = &ids[{z, y, box.begin.x}];
      const auto index = 3 * static_cast<std::uint64_t>(domain_.raster({z, y, box.begin.x}));
      if (z > low.z)
        add_row(row, row - ids.stride(0), affinities.row(z, y, 0).data(), size, index, hints_[0].data());
      if (y > low.y)
        add_row(row, row - ids.stride(1), affinities.row(z, y, 1).data(), size, index + 1, hints_[1].data());
      add_row_along(row, affinities.row(z, y, 2).data(), size, box.begin.x > low.x, index + 2);
    }
}

template <class T>
void Builder::add_row(const std::uint32_t* higher, const std::uint32_t* lower, const T* affinity,
                      std::size_t size, std::uint64_t index, std::uint32_t* hints) {
  mark_differences(higher, lower, size, flags());
  for_each_mark(differs_, size, [&](std::size_t i) {
    add_edge(higher[i], lower[i], scale_of<T>() * affinity[i], index + 3 * i, hints[i]);
  });
}

template <class T>
void Builder::add_row_along(const std::uint32_t* row, const T* affinity, std::size_t size, bool has_lower,
                            std::uint64_t index) {
  mark_differences(row + 1, row, size - 1, flags() + 1);
  flags()[0] = has_lower && row[0] != row[-1] ? 1 : 0;
  std::size_t run = 0;  // where the current run of equal ids began
  for_each_mark(differs_, size, [&](std::size_t i) {
    add_edge(row[i], row[i - 1], scale_of<T>() * affinity[i], index + 3 * i, hints_[2][i]);
    if (i == 0) return;
    voxels_[row[run]] += i - run;
    run = i;
  });
  voxels_[row[run]] += size - run;
}

inline void Builder::add_edge(std::uint32_t a, std::uint32_t b, std::uint64_t affinity, std::uint64_t index,
                              std::uint32_t& hint) {
  if (a == 0 || b == 0) return;
  const std::uint64_t pair = static_cast<std::uint64_t>(std::max(a, b)) << 32 | std::min(a, b);
  if (pair != last_pair_) {
    const bool hinted = hint < sums_.size() && sums_.entries()[hint].key == pair;
    last_entry_ = hinted ? hint : sums_.find_or_insert(pair);
    last_pair_ = pair;
  }
  hint = static_cast<std::uint32_t>(last_entry_);
  Sum& sum = sums_.entries()[last_entry_].value;
  sum.sum += affinity;
  ++sum.count;
  sum.key = std::min(sum.key, index);
}

std::vector<Edge> Builder::edges() const {
  const std::vector<std::uint32_t> ranks = ranks_of(labels_.names);
  // Counting sort by u, then a small sort by v in each group.
  std::vector<std::size_t> starts(labels_.names.size() + 2);
  const auto ordered = [&](std::uint64_t pair) {
    const auto a = static_cast<std::uint32_t>(pair), b = static_cast<std::uint32_t>(pair >> 32);
    return ranks[a] < ranks[b] ? std::pair{a, b} : std::pair{b, a};
  };
  for (const auto& entry : sums_.entries()) ++starts[ranks[ordered(entry.key).first] + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<Edge> edges(sums_.size());
  std::vector<std::size_t> next{starts};
  for (const auto& [pair, sum] : sums_.entries()) {
    const auto [u, v] = ordered(pair);
    edges[next[ranks[u]]++] = {labels_.name(u), labels_.name(v), sum.sum, sum.count, sum.key};
  }
  for (std::size_t u = 0; u + 1 < starts.size(); ++u)
    std::sort(edges.begin() + static_cast<std::ptrdiff_t>(starts[u]),
              edges.begin() + static_cast<std::ptrdiff_t>(starts[u + 1]),
              [](const Edge& a, const Edge& b) { return a.v < b.v; });
  return edges;
}

std::vector<Node> Builder::nodes() const {
  const View<const std::uint32_t> ids = labels_.ids.view<std::uint32_t>();
  std::vector<FaceMask> faces(labels_.names.size() + 1);
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true}) {
      const FaceMask bit = face_bit(axis, high);
      face_layer(core_, axis, high).for_each([&](Coord p) {
        FaceMask& mask = faces[ids[p]];
        mask = static_cast<FaceMask>(mask | bit);
      });
    }
  std::vector<Node> nodes;
  for (std::uint32_t id = 1; id < voxels_.size(); ++id)
    if (voxels_[id] > 0) nodes.push_back({labels_.name(id), voxels_[id], faces[id]});
  std::sort(nodes.begin(), nodes.end(), [](const Node& a, const Node& b) { return a.name < b.name; });
  return nodes;
}

}  // namespace petavox::region_graph
