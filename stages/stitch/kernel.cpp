#include "stages/stitch/kernel.hpp"

#include "petavox/base/flat_map.hpp"

#include <algorithm>
#include <unordered_map>

namespace petavox::stitch {
namespace {

/// The contact with the greatest count of each label; `label` and `partner` say which end is which.
std::unordered_map<Name, Contact> greatest(const std::vector<Contact>& contacts, Name Contact::*label,
                                           Name Contact::*partner) {
  std::unordered_map<Name, Contact> best;
  for (const Contact& c : contacts) {
    const auto [entry, added] = best.try_emplace(c.*label, c);
    Contact& known = entry->second;
    if (!added && (c.count > known.count || (c.count == known.count && c.*partner < known.*partner)))
      known = c;
  }
  return best;
}

std::uint64_t size_of(const std::vector<std::pair<Name, std::uint64_t>>& sizes, Name name) {
  return std::ranges::lower_bound(sizes, name, {}, &std::pair<Name, std::uint64_t>::first)->second;
}

std::vector<std::pair<Name, std::uint64_t>> named(const std::vector<std::uint64_t>& counts,
                                                  const LabelArray& labels) {
  std::vector<std::pair<Name, std::uint64_t>> sizes;
  for (std::size_t id = 1; id < counts.size(); ++id)
    if (counts[id] > 0) sizes.emplace_back(labels.names[id - 1], counts[id]);
  std::ranges::sort(sizes);
  return sizes;
}

/// The ids of a row of voxels; 0 where there are none.
void copy_row(const View<const std::uint32_t>& ids, const Box& row, std::vector<std::uint32_t>& out) {
  const Box there = row.intersect(ids.box());
  if (there != row) std::ranges::fill(out, 0U);
  if (!there.empty())
    std::copy_n(&ids[there.begin], there.shape().x, out.begin() + (there.begin.x - row.begin.x));
}

}  // namespace

Overlap count_overlap(const LabelArray& a, const LabelArray& b, const Box& box) {
  std::vector<std::uint64_t> counts_a(a.names.size() + 1), counts_b(b.names.size() + 1);
  FlatMap<std::uint64_t> pairs;
  const auto ids_a = a.ids.view<std::uint32_t>(), ids_b = b.ids.view<std::uint32_t>();
  // Labels come in runs along x: one look-up for each.
  std::uint64_t run_key = 0, run = 0;
  const auto flush = [&] {
    if (run == 0) return;
    const auto id_a = static_cast<std::uint32_t>(run_key >> 32), id_b = static_cast<std::uint32_t>(run_key);
    counts_a[id_a] += run;
    counts_b[id_b] += run;
    if (id_a != 0 && id_b != 0) pairs[run_key] += run;
    run = 0;
  };
  const auto width = usize(std::max<Index>(0, box.shape().x));
  std::vector<std::uint32_t> row_a(width), row_b(width);
  for (Index z = box.begin.z; z < box.end.z; ++z)
    for (Index y = box.begin.y; y < box.end.y; ++y) {
      const Box row{{z, y, box.begin.x}, {z + 1, y + 1, box.end.x}};
      copy_row(ids_a, row, row_a);
      copy_row(ids_b, row, row_b);
      for (std::size_t x = 0; x < width; ++x) {
        const std::uint64_t key = static_cast<std::uint64_t>(row_a[x]) << 32 | row_b[x];
        if (key != run_key) flush();
        run_key = key;
        ++run;
      }
    }
  flush();

  Overlap overlap;
  for (const auto& [key, count] : pairs.entries())
    overlap.contacts.push_back(
        {a.name(static_cast<std::uint32_t>(key >> 32)), b.name(static_cast<std::uint32_t>(key)), count});
  std::ranges::sort(overlap.contacts, [](const Contact& x, const Contact& y) {
    return std::pair{x.a, x.b} < std::pair{y.a, y.b};
  });
  overlap.sizes_of_a = named(counts_a, a);
  overlap.sizes_of_b = named(counts_b, b);
  return overlap;
}

std::vector<Contact> joined(const Overlap& overlap, double iou_threshold) {
  const auto best_of_a = greatest(overlap.contacts, &Contact::a, &Contact::b);
  const auto best_of_b = greatest(overlap.contacts, &Contact::b, &Contact::a);
  std::vector<Contact> result;
  for (const Contact& c : overlap.contacts) {
    if (best_of_a.at(c.a) != c || best_of_b.at(c.b) != c) continue;
    const std::uint64_t both = size_of(overlap.sizes_of_a, c.a) + size_of(overlap.sizes_of_b, c.b) - c.count;
    if (static_cast<double>(c.count) >= iou_threshold * static_cast<double>(both)) result.push_back(c);
  }
  return result;
}

Box shared_box(const Box& core, Coord offset, Extent overlap, const Box& domain) {
  Box box = core.grow(Halo::symmetric(overlap));
  for (int axis = 0; axis < 3; ++axis) {
    if (offset[axis] < 0) box.end[axis] = core.begin[axis] + overlap[axis];
    if (offset[axis] > 0) box.begin[axis] = core.end[axis] - overlap[axis];
  }
  return box.intersect(domain);
}

}  // namespace petavox::stitch
