#include "petavox/reduce/join_names.hpp"

namespace petavox {
namespace {

/// Number of the smallest root that each root was joined with. Numbers ascend with names.
class RootUnion {
 public:
  RootUnion(std::size_t count, const ReductionContext& context) : parents_{context.array<std::uint64_t>()} {
    parents_.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) parents_.push_back(i);
  }
  std::uint64_t root(std::uint64_t i) {
    while (parents_[i] != i) {
      parents_[i] = parents_[parents_[i]];
      i = parents_[i];
    }
    return i;
  }
  void join(std::uint64_t a, std::uint64_t b) {
    a = root(a);
    b = root(b);
    if (a != b) parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  SpillVector<std::uint64_t> parents_;
};

/// Merges two ascending lists; `number_of_*` receive each element's place in the result.
SpillVector<Name> merge_roots(const SpillVector<Name>& a, const SpillVector<Name>& b,
                              SpillVector<std::uint64_t>& number_of_a,
                              SpillVector<std::uint64_t>& number_of_b, const ReductionContext& context) {
  auto merged = context.array<Name>();
  merged.reserve(a.size() + b.size());
  number_of_a.reserve(a.size());
  number_of_b.reserve(b.size());
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    // A root is a fragment of one of the two boxes, so no name is in both.
    if (j == b.size() || (i < a.size() && a[i] < b[j])) {
      number_of_a.push_back(merged.size());
      merged.push_back(a[i++]);
    } else {
      number_of_b.push_back(merged.size());
      merged.push_back(b[j++]);
    }
  }
  return merged;
}

/// Calls f(pending join, member) for each pending join whose fragment is among the members: a merge of two
/// sorted lists. Those whose fragment lies in `box` but is not a member are an error; others go to `rest`.
template <class Found, class Rest>
void resolve(const SpillVector<JoinNames::Pending>& pending, const SpillVector<JoinNames::Member>& members,
             const Box& box, const Box& domain, Found&& found, Rest&& rest) {
  const JoinNames::Member* member = members.begin();
  for (const JoinNames::Pending& join : pending) {
    while (member != members.end() && member->name < join.other) ++member;
    if (member != members.end() && member->name == join.other)
      found(join, *member);
    else if (box.contains(first_voxel(domain, join.other)))
      throw Error{ErrorCode::internal, "fragment " + std::to_string(join.other) + " of box " +
                                           to_string(box) +
                                           " is joined from outside but has left the state (objects would be "
                                           "split); please report it"};
    else
      rest(join);
  }
}

}  // namespace

JoinNames::State JoinNames::leaf_state(std::span<const Fragment> fragments, std::span<const Pair> pairs,
                                       const ReductionContext& context) {
  const FaceMask open = context.open();
  std::vector<Fragment> reached;
  for (const Fragment& f : fragments)
    if (f.name != 0 && (f.faces & open) != 0) reached.push_back({f.name, f.faces & open});
  std::ranges::sort(reached, {}, &Fragment::name);

  State state{context.array<Name>(), context.array<Member>(), context.array<Pending>()};
  for (const Fragment& f : reached) {
    if (state.roots.empty() || state.roots.back() != f.name) {
      state.members.push_back({f.name, state.roots.size() << 6});
      state.roots.push_back(f.name);
    }
    state.members.back().root_and_faces |= f.faces;
  }
  std::vector<Pending> pending;
  for (const Pair& pair : pairs) {
    const Name* own = std::ranges::lower_bound(state.roots, pair.own);
    PETAVOX_ASSERT(own != state.roots.end() && *own == pair.own && pair.other != 0);
    PETAVOX_ASSERT(!context.box.contains(first_voxel(context.domain, pair.other)));
    pending.push_back({pair.other, static_cast<std::uint64_t>(own - state.roots.begin())});
  }
  std::ranges::sort(pending);
  pending.erase(std::unique(pending.begin(), pending.end()), pending.end());
  state.pending.append(std::span<const Pending>{pending});
  return state;
}

JoinNames::State JoinNames::merge(State a, State b, const Join& join, const ReductionContext& context,
                                  NameChanges& changes) const {
  auto number_of_a = context.array<std::uint64_t>(), number_of_b = context.array<std::uint64_t>();
  SpillVector<Name> roots = merge_roots(a.roots, b.roots, number_of_a, number_of_b, context);
  a.roots = {};
  b.roots = {};

  RootUnion sets{roots.size(), context};
  auto pending_a = context.array<Pending>(), pending_b = context.array<Pending>();
  resolve(
      a.pending, b.members, join.b, join.domain,
      [&](const Pending& p, const Member& m) { sets.join(number_of_a[p.root], number_of_b[m.root()]); },
      [&](const Pending& p) {
        pending_a.push_back({p.other, number_of_a[p.root]});
      });
  resolve(
      b.pending, a.members, join.a, join.domain,
      [&](const Pending& p, const Member& m) { sets.join(number_of_b[p.root], number_of_a[m.root()]); },
      [&](const Pending& p) {
        pending_b.push_back({p.other, number_of_b[p.root]});
      });
  a.pending = {};
  b.pending = {};

  // The roots that stay roots, renumbered; numbers ascend with names, so a set's first is its smallest.
  State merged{context.array<Name>(), context.array<Member>(), context.array<Pending>()};
  auto number = context.array<std::uint64_t>();
  number.reserve(roots.size());
  for (std::uint64_t i = 0; i < roots.size(); ++i) {
    const std::uint64_t root = sets.root(i);
    if (root == i) {
      number.push_back(merged.roots.size());
      merged.roots.push_back(roots[i]);
    } else {
      number.push_back(number[root]);
      changes.rename(roots[i], roots[root]);
    }
  }

  const auto moved = [&](const Member& m, const SpillVector<std::uint64_t>& numbers, FaceMask closed) {
    return Member{m.name, number[numbers[m.root()]] << 6 | (m.faces() & static_cast<FaceMask>(~closed))};
  };
  const FaceMask closed_of_a = join.face_of_a(), closed_of_b = join.face_of_b();
  merged.members.reserve(a.members.size() + b.members.size());
  std::size_t i = 0, j = 0;
  while (i < a.members.size() || j < b.members.size())
    if (j == b.members.size() || (i < a.members.size() && a.members[i].name < b.members[j].name))
      merged.members.push_back(moved(a.members[i++], number_of_a, closed_of_a));
    else
      merged.members.push_back(moved(b.members[j++], number_of_b, closed_of_b));

  for (SpillVector<Pending>* part : {&pending_a, &pending_b}) {
    for (Pending& p : *part) p.root = number[p.root];
    merged.pending.append(part->span());
  }
  std::sort(merged.pending.begin(), merged.pending.end());
  const auto* last = std::unique(merged.pending.begin(), merged.pending.end());
  merged.pending.resize(static_cast<std::size_t>(last - merged.pending.begin()));
  return merged;
}

void JoinNames::settle(State& state, const ReductionContext& context, NameChanges& changes) const {
  constexpr std::uint64_t unreached = ~std::uint64_t{0};
  auto number = context.array<std::uint64_t>();
  number.resize(state.roots.size(), unreached);
  std::size_t kept = 0;
  for (const Member& m : state.members)
    if (m.faces() != 0) {
      number[m.root()] = 0;
      state.members[kept++] = m;
    }
  state.members.resize(kept);
  std::uint64_t open = 0;
  for (std::uint64_t i = 0; i < state.roots.size(); ++i)
    if (number[i] == unreached) {
      changes.settle(state.roots[i], state.roots[i]);
    } else {
      number[i] = open;
      state.roots[open++] = state.roots[i];
    }
  state.roots.resize(open);
  for (Member& m : state.members) m.root_and_faces = number[m.root()] << 6 | m.faces();
  for (Pending& p : state.pending) {
    // The fragment that the join started from is at an open face itself.
    PETAVOX_ASSERT(number[p.root] != unreached);
    p.root = number[p.root];
  }
}

void JoinNames::pack(const State& state, ByteWriter& writer) const {
  writer.put_span(state.roots.span());
  writer.put_span(state.members.span());
  writer.put_span(state.pending.span());
}

JoinNames::State JoinNames::unpack(ByteReader& reader, const ReductionContext& context) const {
  State state;
  state.roots = unpacked<Name>(reader, context);
  state.members = unpacked<Member>(reader, context);
  state.pending = unpacked<Pending>(reader, context);
  const auto voxels = static_cast<Name>(context.domain.voxels());
  const auto good_name = [&](Name name) { return name > 0 && name <= voxels; };
  bool good = std::ranges::adjacent_find(state.roots, std::greater_equal<>{}) == state.roots.end() &&
              std::ranges::adjacent_find(state.members, std::greater_equal<>{}, &Member::name) ==
                  state.members.end() &&
              std::ranges::adjacent_find(state.pending, std::greater_equal<>{}) == state.pending.end();
  for (const Name name : state.roots) good = good && good_name(name);
  for (const Member& m : state.members) good = good && good_name(m.name) && m.root() < state.roots.size();
  for (const Pending& p : state.pending) good = good && good_name(p.other) && p.root < state.roots.size();
  if (!good)
    throw Error{ErrorCode::io, "a reduction state of box " + to_string(context.box) +
                                   " is inconsistent (it is damaged); the object is refused"};
  return state;
}

std::vector<Column> join_row_columns() { return {{"lower_voxel", DType::u64}, {"own_name", DType::u64}}; }

Contract JoinFragments::contract(const Setup&) const {
  Contract c;
  InPort labels;
  labels.name = ports_.labels;
  labels.kind = PortKind::labels;
  labels.reads.halo = ports_.diagonals ? Halo{{1, 1, 1}, {0, 1, 1}} : Halo::lower(1);
  c.reads.push_back(labels);
  InPort joins;
  joins.name = ports_.joins;
  joins.kind = PortKind::table;
  joins.columns = join_row_columns();
  c.reads.push_back(joins);
  OutPort out;
  out.name = ports_.out;
  out.kind = PortKind::labels;
  c.writes.push_back(out);
  return c;
}

JoinNames::State JoinFragments::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                       NameChanges&) const {
  const LabelTable table = inputs.label_table(ports_.labels);
  std::vector<Fragment> fragments;
  for (std::size_t i = 0; i < table.names.size(); ++i) fragments.push_back({table.names[i], table.faces[i]});

  // The one-voxel layers round the block in which a lower voxel can lie; each is read alone. Without
  // diagonals these are the three below it. With them a lower voxel may also lie above it on y or x (in an
  // earlier plane or row), but never above it on z.
  const Box core = inputs.core();
  std::vector<LabelArray> layers;
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true}) {
      if (high && (axis == 0 || !ports_.diagonals)) continue;
      Box layer = core;
      layer.begin[axis] = high ? core.end[axis] : core.begin[axis] - 1;
      layer.end[axis] = layer.begin[axis] + 1;
      for (int across = axis + 1; ports_.diagonals && across < 3; ++across) {
        layer.begin[across] -= 1;
        layer.end[across] += 1;
      }
      layer = layer.intersect(context.domain);
      if (!layer.empty()) layers.push_back(inputs.labels(ports_.labels, layer));
    }

  const Table rows = inputs.table(ports_.joins);
  std::vector<Pair> pairs;
  for (const JoinRow& row : rows.rows<JoinRow>()) {
    if (row.lower_voxel >= static_cast<std::uint64_t>(context.domain.voxels()))
      throw Error{ErrorCode::io,
                  "a join of block " + to_string(core) +
                      " names a voxel outside the volume (the table is damaged); the object is refused"};
    const Coord voxel = context.domain.at(static_cast<Index>(row.lower_voxel));
    for (const LabelArray& layer : layers)
      if (layer.ids.box().contains(voxel)) {
        // Background: the block that holds the voxel was skipped or failed.
        const Name other = layer.name(layer.ids.view<std::uint32_t>()[voxel]);
        if (other != 0) pairs.push_back({row.own_name, other});
        break;
      }
  }
  std::ranges::sort(pairs);
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  return leaf_state(fragments, pairs, context);
}

}  // namespace petavox
