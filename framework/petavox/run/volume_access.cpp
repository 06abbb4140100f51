#include "petavox/run/volume_access.hpp"

#include "petavox/base/phase.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace petavox {
namespace {

/// Calls f(block, region) for each block of the step that wrote the voxels; regions partition the box.
template <class F>
void for_each_piece(const Tiling& tiling, const Box& box, F&& f) {
  const Box positions = tiling.touching(box);
  if (positions.empty()) return;
  positions.for_each([&](Coord p) { f(tiling.block_at(p), tiling.core_of(p).intersect(box)); });
}

const Tiling& voxels_tiling(const DataAccess& data, const VolumePlan& v) {
  return data.plan.step(v.voxels_step).tiling;
}

void check_box(const VolumePlan& v, const Box& box) {
  if (!v.domain.contains(box))
    throw Error{ErrorCode::contract, "box " + to_string(box) + " of volume '" + v.name +
                                         "' lies outside its domain " + to_string(v.domain) +
                                         " (there are no voxels); clip it to the domain"};
}

/// The voxels of a block that was skipped are 0.
void clear(Array& out, const Box& region) {
  constexpr std::array<std::byte, 8> zero{};
  for (int c = 0; c < out.channels(); ++c)
    fill_box(out, c, region, std::span{zero}.first(size_of(out.dtype())));
}

/// Reads local ids of the box of `out` piece by piece and passes each with the names of its block.
template <class F>
void for_each_label_piece(const DataAccess& data, const ResultLookup& results, int volume, Array& out,
                          F&& f) {
  const VolumePlan& v = data.plan.volume(volume);
  for_each_piece(voxels_tiling(data, v), out.box(), [&](Index block, const Box& region) {
    Array ids{DType::u32, region, v.domain, 1, Array::Fill::anything};
    const bool there = data.store.with({v.voxels_step, block}, results, [&](const BundleReader& reader) {
      reader.read_labels(voxels_part(v.voxels_port), ids, region);
    });
    if (there)
      f(ids, read_label_table(data, results, volume, block).names);
    else
      clear(out, region);
  });
}

/// Each voxel of `target` where ids are becomes f(id).
template <class T, class F>
void map_ids(const Array& ids, View<T> target, F&& f) {
  const auto source = ids.view<std::uint32_t>();
  const Box region = ids.box();
  for (Index z = region.begin.z; z < region.end.z; ++z)
    for (Index y = region.begin.y; y < region.end.y; ++y) {
      const std::uint32_t* from = &source[{z, y, region.begin.x}];
      T* to = &target[{z, y, region.begin.x}];
      for (Index x = 0; x < region.shape().x; ++x) to[x] = f(from[x]);
    }
}

Error nameless_id(const VolumePlan& v) {
  return Error{
      ErrorCode::contract,
      "volume '" + v.name +
          "' holds a local id without a name (its stage wrote fewer names than ids); correct the stage"};
}

}  // namespace

LabelTable read_label_table(const DataAccess& data, const ResultLookup& results, int volume, Index block) {
  const VolumePlan& v = data.plan.volume(volume);
  LabelTable table;
  const bool resolved = v.names_step != v.voxels_step;
  const std::uint32_t part = resolved ? values_part : label_table_part(v.names_port);
  data.store.with({v.names_step, block}, results,
                  [&](const BundleReader& reader) { table = reader.label_table(part); });
  return table;
}

LabelArray read_labels(const DataAccess& data, const ResultLookup& results, int volume, const Box& box) {
  const PhaseScope decoding{Phase::decode};
  const VolumePlan& v = data.plan.volume(volume);
  check_box(v, box);
  LabelArray out{Array{DType::u32, box, v.domain, 1, Array::Fill::anything}, {}};
  const auto target = out.ids.view<std::uint32_t>();
  std::unordered_map<Name, std::uint32_t> known{{0, 0}};
  constexpr std::uint32_t unset = ~std::uint32_t{0};
  for_each_label_piece(data, results, volume, out.ids, [&](const Array& ids, const std::vector<Name>& names) {
    std::vector<std::uint32_t> table(names.size() + 1, unset);
    table[0] = 0;
    map_ids(ids, target, [&](std::uint32_t id) {
      if (id >= table.size()) throw nameless_id(v);
      std::uint32_t& compact = table[id];
      if (compact == unset) {
        const auto [entry, added] =
            known.try_emplace(names[id - 1], static_cast<std::uint32_t>(out.names.size() + 1));
        if (added) out.names.push_back(names[id - 1]);
        compact = entry->second;
      }
      return compact;
    });
  });
  return out;
}

namespace {

/// Labels as names.
void fill_labels(const DataAccess& data, const ResultLookup& results, int volume, Array& out) {
  const auto target = out.view<std::uint64_t>();
  for_each_label_piece(data, results, volume, out, [&](const Array& ids, const std::vector<Name>& names) {
    std::vector<Name> table(names.size() + 1, 0);
    std::copy(names.begin(), names.end(), table.begin() + 1);
    map_ids(ids, target, [&](std::uint32_t id) {
      if (id >= table.size()) throw nameless_id(data.plan.volume(volume));
      return table[id];
    });
  });
}

/// Of a volume that steps make: all voxels of the box of `out`.
void fill_voxels(const DataAccess& data, const ResultLookup& results, int volume, Array& out) {
  const VolumePlan& v = data.plan.volume(volume);
  if (v.kind == PortKind::labels) return fill_labels(data, results, volume, out);
  for_each_piece(voxels_tiling(data, v), out.box(), [&](Index block, const Box& region) {
    const bool there = data.store.with({v.voxels_step, block}, results, [&](const BundleReader& reader) {
      reader.read_image(voxels_part(v.voxels_port), out, region);
    });
    if (!there) clear(out, region);
  });
}

}  // namespace

Array read_voxels(const DataAccess& data, const ResultLookup& results, int volume, const Box& box) {
  const PhaseScope decoding{Phase::decode};
  const VolumePlan& v = data.plan.volume(volume);
  check_box(v, box);
  if (v.input >= 0) return data.inputs.read(v.input, box);
  Array out{v.dtype, box, v.domain, v.channels, Array::Fill::anything};
  fill_voxels(data, results, volume, out);
  return out;
}

void PlanVolume::read(Array& into) const {
  if (plan().input >= 0) {
    copy_box(read_voxels(data_, results_, volume_, into.box()), into, into.box());
  } else {
    const PhaseScope decoding{Phase::decode};
    check_box(plan(), into.box());
    fill_voxels(data_, results_, volume_, into);
  }
  bytes_read_ += into.bytes().size();
}

}  // namespace petavox
