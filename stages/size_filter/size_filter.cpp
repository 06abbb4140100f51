#include "stages/size_filter/size_filter.hpp"

#include <limits>

namespace petavox {
namespace {

using Part = SizeFilter::Part;

[[noreturn]] void not_connected(Name name, const Box& box) {
  throw Error{
      ErrorCode::stage,
      "object " + std::to_string(name) + " has a piece in box " + to_string(box) +
          " that does not hang together with its first voxel (its size would depend on the blocks); set "
          "connected: false, or run `components` first"};
}

/// True if `name` is the first voxel of `box`'s domain that lies in `box`.
bool begins_in(Name name, const Box& box, const Box& domain) {
  return name <= static_cast<Name>(domain.voxels()) && box.contains(first_voxel(domain, name));
}

/// Adds up parts of one name in an ascending list.
void combine(SpillVector<Part>& parts) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (kept > 0 && parts[kept - 1].name == parts[i].name) {
      parts[kept - 1].voxels += parts[i].voxels;
      parts[kept - 1].faces |= parts[i].faces;
    } else {
      parts[kept++] = parts[i];
    }
  parts.resize(kept);
}

}  // namespace

Contract SizeFilter::contract(const Setup&) const {
  Contract c;
  InPort labels;
  labels.name = "labels";
  labels.kind = PortKind::labels;
  labels.volume = "segments";
  c.reads.push_back(labels);
  OutPort out;
  out.name = "labels";
  out.kind = PortKind::labels;
  c.writes.push_back(out);
  return c;
}

SizeFilter::State SizeFilter::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                     NameChanges&) const {
  State state{context.array<Part>()};
  const LabelTable table = inputs.label_table("labels");
  for (std::size_t i = 0; i < table.names.size(); ++i)
    if (table.names[i] != 0 && table.sizes[i] > 0)
      state.parts.push_back({table.names[i], table.sizes[i], table.faces[i] & std::uint64_t{context.open()}});
  std::ranges::sort(state.parts, {}, &Part::name);
  combine(state.parts);
  return state;
}

SizeFilter::State SizeFilter::merge(State a, State b, const Join& join, const ReductionContext& context,
                                    NameChanges&) const {
  State merged{context.array<Part>()};
  merged.parts.reserve(a.parts.size() + b.parts.size());
  const auto closed = [](Part part, FaceMask face) {
    part.faces &= ~std::uint64_t{face};
    return part;
  };
  const Part *i = a.parts.begin(), *j = b.parts.begin();
  while (i != a.parts.end() || j != b.parts.end()) {
    const bool from_a = j == b.parts.end() || (i != a.parts.end() && i->name <= j->name);
    const bool both = i != a.parts.end() && j != b.parts.end() && i->name == j->name;
    if (both) {
      Part sum = closed(*i, join.face_of_a());
      sum.voxels += j->voxels;
      sum.faces |= closed(*j, join.face_of_b()).faces;
      merged.parts.push_back(sum);
      ++i, ++j;
      continue;
    }
    const Part& part = from_a ? *i : *j;
    // The part with the first voxel would be here too, if the object hung together.
    if (connected_ && begins_in(part.name, from_a ? join.b : join.a, join.domain))
      not_connected(part.name, from_a ? join.a : join.b);
    merged.parts.push_back(from_a ? closed(*i++, join.face_of_a()) : closed(*j++, join.face_of_b()));
  }
  return merged;
}

void SizeFilter::settle(State& state, const ReductionContext& context, NameChanges& changes) const {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < state.parts.size(); ++i) {
    const Part part = state.parts[i];
    if (!context.root() && (!connected_ || part.faces != 0)) {
      state.parts[kept++] = part;
      continue;
    }
    if (connected_ && !begins_in(part.name, context.box, context.domain))
      not_connected(part.name, context.box);
    changes.settle(part.name, part.voxels >= min_size_ ? part.name : 0);
  }
  state.parts.resize(kept);
}

Bytes SizeFilter::finish(State, const ReductionContext&) const { return {}; }

void SizeFilter::pack(const State& state, ByteWriter& writer) const { writer.put_span(state.parts.span()); }

SizeFilter::State SizeFilter::unpack(ByteReader& reader, const ReductionContext& context) const {
  State state{unpacked<Part>(reader, context)};
  if (std::ranges::adjacent_find(state.parts, std::greater_equal<>{}, &Part::name) != state.parts.end())
    throw Error{ErrorCode::io, "the objects of box " + to_string(context.box) +
                                   " are not in order (the state is damaged); the object is refused"};
  return state;
}

StageType size_filter_stage() {
  return {
      "size_filter", "objects with few voxels become background", "built-in", [](Params& params) {
        const auto min_size = params.integer("min_size", 100, {1, std::numeric_limits<std::int64_t>::max()},
                                             "objects of fewer voxels become background");
        const bool connected =
            params.flag("connected", true,
                        "objects hang together and are called by their first voxel, as after agglomerate or "
                        "components; false: any labels, for more memory");
        StageProgram program;
        program.steps.emplace_back(
            std::make_unique<TreeReductionOf<SizeFilter>>(static_cast<std::uint64_t>(min_size), connected));
        return program;
      }};
}

}  // namespace petavox
