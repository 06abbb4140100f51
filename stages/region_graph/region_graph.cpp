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

/// Position of each local id in the order of names; [0] is unused. Local ids are mostly numbered in that
/// order already.
std::vector<std::uint32_t> ranks_of(const std::vector<Name>& names) {
  std::vector<std::uint32_t> order(names.size()), ranks(names.size() + 1);
  std::iota(order.begin(), order.end(), 0U);
  if (!std::is_sorted(names.begin(), names.end()))
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });
  for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks[order[rank] + 1] = rank;
  return ranks;
}

/// Stable counting sort: the numbers 0..size-1, or those of `order`, by key_of(number) < keys.
template <class KeyOf>
std::vector<std::uint32_t> sorted_by(std::size_t size, std::size_t keys,
                                     const std::vector<std::uint32_t>* order, KeyOf&& key_of) {
  std::vector<std::uint32_t> next(keys + 1), sorted(size);
  for (std::uint32_t i = 0; i < size; ++i) ++next[key_of(i) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::uint32_t number = order == nullptr ? i : (*order)[i];
    sorted[next[key_of(number)]++] = number;
  }
  return sorted;
}

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
  differs_.resize(row / 8 + 1);
  marks_.resize(row);
  for (auto& hints : hints_) hints.resize(row);
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
  collect_marks(size);
  add_marked(higher, lower, affinity, index, hints);
}

template <class T>
void Builder::add_row_along(const std::uint32_t* row, const T* affinity, std::size_t size, bool has_lower,
                            std::uint64_t index) {
  mark_differences(row + 1, row, size - 1, flags() + 1);
  flags()[0] = has_lower && row[0] != row[-1] ? 1 : 0;
  collect_marks(size);
  std::size_t run = 0;  // where the current run of equal ids began
  for (std::size_t m = 0; m < num_marks_; ++m) {
    voxels_[row[run]] += marks_[m] - run;
    run = marks_[m];
  }
  voxels_[row[run]] += size - run;
  add_marked(row, row - 1, affinity, index, hints_[2].data());
}

void Builder::collect_marks(std::size_t size) {
  std::uint32_t* mark = marks_.data();
  for (std::size_t word = 0; word * 8 < size; ++word)
    for (std::uint64_t bits = differs_[word]; bits != 0; bits &= bits - 1)
      *mark++ = static_cast<std::uint32_t>(word * 8) + static_cast<std::uint32_t>(std::countr_zero(bits)) / 8;
  num_marks_ = static_cast<std::size_t>(mark - marks_.data());
}

template <class T>
void Builder::add_marked(const std::uint32_t* higher, const std::uint32_t* lower, const T* affinity,
                         std::uint64_t index, std::uint32_t* hints) {
  // The table is larger than the caches near the processor: what an edge needs is fetched in two steps, while
  // those before it are added.
  constexpr std::size_t far = 12, near = 6;
  for (std::size_t m = 0; m < num_marks_ + far; ++m) {
    if (m < num_marks_) {
      const std::uint32_t i = marks_[m];
      contacts_.prefetch_id(std::max(higher[i], lower[i]));
      contacts_.prefetch_entry(hints[i]);
    }
    if (m >= near && m < num_marks_ + near) {
      const std::uint32_t i = marks_[m - near], a = higher[i], b = lower[i];
      contacts_.prefetch_contact(std::min(a, b), std::max(a, b));
    }
    if (m < far) continue;
    const std::uint32_t i = marks_[m - far], a = higher[i], b = lower[i];
    if (a == 0 || b == 0) continue;
    const std::uint32_t u = std::min(a, b), v = std::max(a, b);
    // Contacts are surfaces: that of an edge is often that of the edge at the same place of the row before.
    if (!contacts_.holds(hints[i], u, v)) hints[i] = contacts_.find_or_insert(u, v);
    ContactTable::Entry& contact = contacts_.entries()[hints[i]];
    contact.sum += affinity[i];
    ++contact.count;
    contact.key = std::min(contact.key, index + 3 * i);
  }
}

std::vector<Edge> Builder::edges() const {
  const std::vector<std::uint32_t> ranks = ranks_of(labels_.names);
  const std::vector<ContactTable::Entry>& contacts = contacts_.entries();
  const auto ends = [&](std::uint32_t c) { return std::minmax(ranks[contacts[c].u], ranks[contacts[c].v]); };
  const std::size_t size = contacts.size(), names = labels_.names.size();
  std::vector<std::uint32_t> order =
      sorted_by(size, names, nullptr, [&](std::uint32_t c) { return ends(c).second; });
  order = sorted_by(size, names, &order, [&](std::uint32_t c) { return ends(c).first; });
  std::vector<Edge> edges;
  edges.reserve(size);
  for (const std::uint32_t c : order) {
    const Name a = labels_.name(contacts[c].u), b = labels_.name(contacts[c].v);
    edges.push_back(
        {std::min(a, b), std::max(a, b), unit_ * contacts[c].sum, contacts[c].count, contacts[c].key});
  }
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
