#include "petavox/reduce/join_names.hpp"

#include "petavox/reduce/root_sets.hpp"

#include <functional>

namespace petavox {
namespace {

using State = JoinNames::State;
using Member = JoinNames::Member;
using Pending = JoinNames::Pending;

State empty_state(const ReductionContext& context) {
  return {PackedRows<Name>{context}, PackedRows<Member>{context}, PackedRows<Pending>{context}};
}

Member member(Name name, std::uint64_t root, FaceMask faces) { return {name, root << 6 | faces}; }

/// Calls f(row, of_a) for the rows of two lists in ascending order, those of `a` first where both have one.
template <class Row, class Key, class F>
void merge_rows(const PackedRows<Row>& a, const PackedRows<Row>& b, Key key, F&& f) {
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end())
    if (j == b.end() || (i != a.end() && std::invoke(key, *i) <= std::invoke(key, *j))) {
      f(*i, true);
      ++i;
    } else {
      f(*j, false);
      ++j;
    }
}

/// Calls f(pending join, member) for each pending join whose fragment is among the members: a merge of two
/// sorted lists. Those whose fragment lies in `box` but is not a member are an error; returned are the
/// others.
template <class Found>
PackedRows<Pending> resolve(const PackedRows<Pending>& pending, const PackedRows<Member>& members,
                            const Box& box, const ReductionContext& context, Found&& found) {
  PackedRows<Pending> rest{context};
  auto member = members.begin();
  for (const Pending& join : pending) {
    while (member != members.end() && (*member).name < join.other) ++member;
    if (member != members.end() && (*member).name == join.other)
      found(join, *member);
    else if (box.contains(first_voxel(context.domain, join.other)))
      throw Error{ErrorCode::internal, "fragment " + std::to_string(join.other) + " of box " +
                                           to_string(box) +
                                           " is joined from outside but has left the state (objects would be "
                                           "split); please report it"};
    else
      rest.push_back(join);
  }
  return rest;
}

/// The roots that are reached, and the new numbers of these.
class ReachedRoots {
 public:
  ReachedRoots(std::size_t count, const ReductionContext& context)
      : bits_{context.array<std::uint64_t>()}, before_{context.array<std::uint64_t>()} {
    bits_.resize(count / 64 + 1);
  }
  void add(std::uint64_t root) { bits_[root / 64] |= std::uint64_t{1} << root % 64; }
  bool has(std::uint64_t root) const { return (bits_[root / 64] >> root % 64 & 1) != 0; }
  /// Returns how many there are.
  std::uint64_t number() {
    before_.reserve(bits_.size());
    std::uint64_t count = 0;
    for (const std::uint64_t word : bits_) {
      before_.push_back(count);
      count += static_cast<std::uint64_t>(std::popcount(word));
    }
    return count;
  }
  std::uint64_t number_of(std::uint64_t root) const {
    const std::uint64_t earlier = bits_[root / 64] & ~(~std::uint64_t{0} << root % 64);
    return before_[root / 64] + static_cast<std::uint64_t>(std::popcount(earlier));
  }

 private:
  SpillVector<std::uint64_t> bits_, before_;  // before_: reached roots of earlier words
};

template <class Index>
State merged(State a, State b, const Join& join, const ReductionContext& context, NameChanges& changes) {
  // Roots of b are counted after those of a.
  const std::uint64_t of_b = a.roots.size();
  RootSets<Index> sets{a.roots.size() + b.roots.size(), context.pool};
  a.pending = resolve(a.pending, b.members, join.b, context,
                      [&](const Pending& p, const Member& m) { sets.join(p.root, of_b + m.root()); });
  b.pending = resolve(b.pending, a.members, join.a, context,
                      [&](const Pending& p, const Member& m) { sets.join(of_b + p.root, m.root()); });

  State result = empty_state(context);
  {
    // In the order of names a set's first root is its smallest.
    auto smallest = context.array<Name>();
    std::uint64_t next_of_a = 0, next_of_b = of_b;
    merge_rows(a.roots, b.roots, std::identity{}, [&](Name name, bool is_of_a) {
      const std::size_t number = sets.number(is_of_a ? next_of_a++ : next_of_b++);
      if (number == smallest.size())
        smallest.push_back(name);
      else
        changes.rename(name, smallest[number]);
    });
    a.roots = {};
    b.roots = {};
    for (const Name name : smallest) result.roots.push_back(name);
  }

  const auto number_of = [&](std::uint64_t root, bool is_of_a) {
    return sets.number(is_of_a ? root : of_b + root);
  };
  const FaceMask closed_of_a = join.face_of_a(), closed_of_b = join.face_of_b();
  merge_rows(a.members, b.members, &Member::name, [&](const Member& m, bool is_of_a) {
    const FaceMask closed = is_of_a ? closed_of_a : closed_of_b;
    result.members.push_back(
        member(m.name, number_of(m.root(), is_of_a), m.faces() & static_cast<FaceMask>(~closed)));
  });
  a.members = {};
  b.members = {};

  // Joins of several roots of a set with one fragment are one.
  auto roots = context.array<std::uint64_t>();
  Name other = 0;
  const auto add_joins = [&] {
    std::sort(roots.begin(), roots.end());
    roots.resize(static_cast<std::size_t>(std::unique(roots.begin(), roots.end()) - roots.begin()));
    for (const std::uint64_t root : roots) result.pending.push_back({other, root});
    roots.clear();
  };
  merge_rows(a.pending, b.pending, &Pending::other, [&](const Pending& p, bool is_of_a) {
    if (p.other != other) add_joins();
    other = p.other;
    roots.push_back(number_of(p.root, is_of_a));
  });
  add_joins();
  return result;
}

}  // namespace

JoinNames::State JoinNames::leaf_state(std::span<const Fragment> fragments, std::span<const Pair> pairs,
                                       const ReductionContext& context) {
  const FaceMask open = context.open();
  std::vector<Fragment> reached;
  for (const Fragment& f : fragments)
    if (f.name != 0 && (f.faces & open) != 0) reached.push_back({f.name, f.faces & open});
  std::ranges::sort(reached, {}, &Fragment::name);
  std::size_t roots = 0;
  for (const Fragment& f : reached)
    if (roots > 0 && reached[roots - 1].name == f.name)
      reached[roots - 1].faces |= f.faces;
    else
      reached[roots++] = f;
  reached.resize(roots);

  State state = empty_state(context);
  for (std::size_t root = 0; root < roots; ++root) {
    state.roots.push_back(reached[root].name);
    state.members.push_back(member(reached[root].name, root, static_cast<FaceMask>(reached[root].faces)));
  }
  std::vector<Pending> pending;
  for (const Pair& pair : pairs) {
    const auto own = std::ranges::lower_bound(reached, pair.own, {}, &Fragment::name);
    PETAVOX_ASSERT(own != reached.end() && own->name == pair.own && pair.other != 0);
    PETAVOX_ASSERT(!context.box.contains(first_voxel(context.domain, pair.other)));
    pending.push_back({pair.other, static_cast<std::uint64_t>(own - reached.begin())});
  }
  std::ranges::sort(pending);
  pending.erase(std::unique(pending.begin(), pending.end()), pending.end());
  for (const Pending& p : pending) state.pending.push_back(p);
  return state;
}

JoinNames::State JoinNames::merge(State a, State b, const Join& join, const ReductionContext& context,
                                  NameChanges& changes) const {
  if (a.roots.size() + b.roots.size() <= RootSets<std::uint32_t>::most)
    return merged<std::uint32_t>(std::move(a), std::move(b), join, context, changes);
  return merged<std::uint64_t>(std::move(a), std::move(b), join, context, changes);
}

void JoinNames::settle(State& state, const ReductionContext& context, NameChanges& changes) const {
  ReachedRoots reached{state.roots.size(), context};
  std::size_t members_left = 0;
  for (const Member& m : state.members)
    if (m.faces() != 0) {
      reached.add(m.root());
      ++members_left;
    }
  if (members_left == state.members.size()) return;  // a root has a member
  const std::uint64_t open = reached.number();

  PackedRows<Member> members{context};
  for (const Member& m : state.members)
    if (m.faces() != 0) members.push_back(member(m.name, reached.number_of(m.root()), m.faces()));
  state.members = std::move(members);
  if (open == state.roots.size()) return;

  PackedRows<Name> roots{context};
  std::uint64_t root = 0;
  for (const Name name : state.roots)
    if (reached.has(root++))
      roots.push_back(name);
    else
      changes.settle(name, name);
  state.roots = std::move(roots);

  PackedRows<Pending> pending{context};
  for (const Pending& p : state.pending) {
    // The fragment that the join started from is at an open face itself.
    PETAVOX_ASSERT(reached.has(p.root));
    pending.push_back({p.other, reached.number_of(p.root)});
  }
  state.pending = std::move(pending);
}

void JoinNames::pack(const State& state, ByteWriter& writer) const {
  state.roots.pack(writer);
  state.members.pack(writer);
  state.pending.pack(writer);
}

JoinNames::State JoinNames::unpack(ByteReader& reader, const ReductionContext& context) const {
  State state;
  state.roots = PackedRows<Name>::unpack(reader, context);
  state.members = PackedRows<Member>::unpack(reader, context);
  state.pending = PackedRows<Pending>::unpack(reader, context);
  const auto voxels = static_cast<Name>(context.domain.voxels());
  bool good = true;
  Name before = 0;
  const auto ascends = [&](Name name, bool may_repeat) {
    good = good && name > 0 && name <= voxels && (name > before || (may_repeat && name == before));
    before = name;
  };
  for (const Name name : state.roots) ascends(name, false);
  before = 0;
  for (const Member& m : state.members) {
    ascends(m.name, false);
    good = good && m.root() < state.roots.size();
  }
  before = 0;
  std::uint64_t least_root = 0;
  for (const Pending& p : state.pending) {
    if (p.other != before) least_root = 0;
    ascends(p.other, true);
    good = good && p.root >= least_root && p.root < state.roots.size();
    least_root = p.root + 1;
  }
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
