#include "stages/size_merge/size_merge.hpp"

#include "stages/agglomerate/merge_queue.hpp"

#include <numeric>

namespace petavox::size_merge {
namespace {

using agglomerate::ContactGraph;
using agglomerate::Node;

/// The work on one box. Nodes that have been merged are found through `parents_`.
class Merger {
 public:
  Merger(State& state, const Rule& rule, const ReductionContext& context)
      : nodes_{state.graph.nodes},
        least_{state.least},
        rule_{rule},
        context_{context},
        parents_{context.array<std::uint32_t>()},
        waits_{context.array<std::uint8_t>()},
        known_{context.array<Contact>()},
        open_contacts_{context.array<Contact>()} {
    parents_.resize(nodes_.size());
    std::iota(parents_.begin(), parents_.end(), 0U);
    waits_.resize(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) waits_[i] = incomplete(i) && small(i) ? 1 : 0;
    for (const Contact& c : state.known) add(c);
    for (const Contact& c : state.graph.contacts)
      if (!incomplete(c.a) || !incomplete(c.b))
        add(c);
      else if (small(c.a) || small(c.b))
        open_contacts_.push_back(c);
    state.known = {};
    state.graph.contacts = {};
  }

  /// Takes contacts in their order. What a contact waits for stays undecided.
  template <class Low>
  void run() {
    using Ranked = agglomerate::Ranked<Low>;
    auto order = context_.array<Ranked>();
    order.reserve(known_.size());
    for (std::uint32_t c = 0; c < known_.size(); ++c) order.push_back(Ranked::of(known_[c], c));
    std::sort(order.begin(), order.end());
    std::size_t kept = 0;
    for (std::size_t i = order.size(); i-- > 0;) {
      if (i >= 24) look_ahead(order[i - 12].contact, order[i - 24].contact);
      Contact& c = known_[order[i].contact];
      const std::uint32_t a = root(c.a), b = root(c.b);
      const bool small_a = small(a), small_b = small(b);
      if (a == b || (!small_a && !small_b)) {
        c.count = 0;  // decided
      } else if (waits_[a] != 0 || waits_[b] != 0) {
        if (small_a) waits_[a] = 1;
        if (small_b) waits_[b] = 1;
        ++kept;
      } else {
        join(a, b);
        c.count = 0;
      }
    }
    keep_undecided(kept);
  }

  /// The state of what is left, with nodes and contacts renumbered.
  State rest(NameChanges& changes) {
    auto number = context_.array<std::uint32_t>();
    number.resize(nodes_.size());
    for (const SpillVector<Contact>* contacts : {&known_, &open_contacts_})
      for (const Contact& c : *contacts) number[c.a] = number[c.b] = 1;
    State left{{context_.array<Node>(), context_.array<Contact>()}, context_.array<Name>(), {}};
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      const std::uint32_t r = root(i);
      if (incomplete(r) && nodes_[r].known != 0) number[r] = 1;
      if (nodes_[i].known == 0) continue;
      if (number[r] != 0)
        changes.rename(nodes_[i].name, nodes_[r].name);
      else
        changes.settle(nodes_[i].name, least_[r]);
    }
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      if (number[i] == 0) continue;
      number[i] = static_cast<std::uint32_t>(left.graph.nodes.size());
      left.graph.nodes.push_back(nodes_[i]);
      left.least.push_back(least_[i]);
    }
    for (SpillVector<Contact>* contacts : {&known_, &open_contacts_})
      for (Contact& c : *contacts) {
        c.a = number[c.a];
        c.b = number[c.b];
      }
    left.graph.contacts = std::move(open_contacts_);
    left.known = std::move(known_);
    return left;
  }

  std::uint64_t voxel_edges() const {
    std::uint64_t sum = 0;
    for (const Contact& c : known_) sum += c.count;
    return sum;
  }

 private:
  bool small(std::size_t node) const { return nodes_[node].voxels < rule_.min_voxels; }
  bool incomplete(std::size_t node) const { return is_incomplete(nodes_[node], context_.open()); }

  void add(const Contact& c) {
    if ((small(c.a) || small(c.b)) && agglomerate::reaches(c.sum, c.count, rule_.min_affinity))
      known_.push_back(c);
  }

  std::uint32_t root(std::uint32_t node) {
    while (parents_[node] != node) {
      parents_[node] = parents_[parents_[node]];
      node = parents_[node];
    }
    return node;
  }

  /// Contacts come in the order of affinity, hence from anywhere: what they touch is fetched early.
  void look_ahead(std::uint32_t soon, std::uint32_t later) const {
    for (const std::uint32_t node : {known_[soon].a, known_[soon].b}) {
      __builtin_prefetch(&parents_[node]);
      __builtin_prefetch(&nodes_[node]);
      __builtin_prefetch(&waits_[node]);
    }
    __builtin_prefetch(&known_[later], 1);
  }

  /// Not both incomplete: of two, both would be large. The incomplete one keeps its name.
  void join(std::uint32_t a, std::uint32_t b) {
    if (incomplete(b) || (!incomplete(a) && nodes_[b].voxels > nodes_[a].voxels)) std::swap(a, b);
    parents_[b] = a;
    nodes_[a].voxels += nodes_[b].voxels;
    least_[a] = std::min(least_[a], least_[b]);
  }

  /// Contacts between what the nodes have become; the best of each pair.
  void keep_undecided(std::size_t expected) {
    auto kept = context_.array<Contact>();
    kept.reserve(expected);
    for (Contact c : known_) {
      if (c.count == 0) continue;
      c.a = root(c.a);
      c.b = root(c.b);
      if (c.a > c.b) std::swap(c.a, c.b);
      if (small(c.a) || small(c.b)) kept.push_back(c);
    }
    std::sort(kept.begin(), kept.end(), [](const Contact& x, const Contact& y) {
      return contact_before(x, y) || (!contact_before(y, x) && better(x, y));
    });
    const auto* end = std::unique(kept.begin(), kept.end(), [](const Contact& x, const Contact& y) {
      return x.a == y.a && x.b == y.b;
    });
    kept.resize(static_cast<std::size_t>(end - kept.begin()));
    known_ = std::move(kept);
  }

  SpillVector<Node>& nodes_;
  SpillVector<Name>& least_;
  const Rule& rule_;
  const ReductionContext& context_;
  SpillVector<std::uint32_t> parents_;
  SpillVector<std::uint8_t> waits_;     // small, and something outside the box matters to it
  SpillVector<Contact> known_;          // contacts of which all is known, with a small end
  SpillVector<Contact> open_contacts_;  // both ends incomplete: may have more voxel edges
};

}  // namespace

State state_of_block(ContactGraph graph, const ReductionContext& context) {
  State state{std::move(graph), context.array<Name>(), context.array<Contact>()};
  state.least.reserve(state.graph.nodes.size());
  for (const Node& node : state.graph.nodes) state.least.push_back(node.name);
  return state;
}

State united(State a, State b, const Join& join, const ReductionContext& context, bool connected) {
  agglomerate::JoinedNodes joined =
      agglomerate::united_nodes(std::move(a.graph.nodes), std::move(b.graph.nodes), join, context, connected);
  State whole{{context.array<Node>(), {}}, context.array<Name>(), {}};
  whole.least.resize(joined.nodes.size(), ~Name{0});
  for (std::size_t i = 0; i < a.least.size(); ++i) {
    Name& least = whole.least[joined.of_a[i]];
    least = std::min(least, a.least[i]);
  }
  for (std::size_t i = 0; i < b.least.size(); ++i) {
    Name& least = whole.least[joined.of_b[i]];
    least = std::min(least, b.least[i]);
  }
  whole.graph.contacts = agglomerate::united_contacts(
      a.graph.contacts, b.graph.contacts, joined, context, [](const Contact& x, const Contact& y) {
        return Contact{x.a, x.b, x.sum + y.sum, x.count + y.count, std::min(x.key, y.key)};
      });
  whole.known =
      agglomerate::united_contacts(a.known, b.known, joined, context,
                                   [](const Contact& x, const Contact& y) { return better(x, y) ? x : y; });
  whole.graph.nodes = std::move(joined.nodes);
  return whole;
}

void settle(State& state, const Rule& rule, const ReductionContext& context, bool connected,
            NameChanges& changes) {
  agglomerate::check_nodes(state.graph.nodes, context, connected);
  Merger merger{state, rule, context};
  if (merger.voxel_edges() < std::uint64_t{1} << 40)
    merger.run<std::uint32_t>();
  else
    merger.run<std::uint64_t>();
  state = merger.rest(changes);
}

void pack(const State& state, ByteWriter& writer) {
  agglomerate::pack(state.graph, writer);
  writer.put_span(state.least.span());
  writer.put_span(state.known.span());
}

State unpack(ByteReader& reader, const ReductionContext& context) {
  State state;
  state.graph = agglomerate::unpack(reader, context);
  state.least = unpacked<Name>(reader, context);
  state.known = unpacked<Contact>(reader, context);
  agglomerate::check_contacts(state.known, state.graph.nodes.size());
  bool good = state.least.size() == state.graph.nodes.size();
  for (std::size_t i = 0; good && i < state.least.size(); ++i)
    good = state.least[i] != 0 && state.least[i] <= state.graph.nodes[i].name;
  if (!good)
    throw Error{ErrorCode::io, "a reduction state of box " + to_string(context.box) +
                                   " is inconsistent (it is damaged); the object is refused"};
  return state;
}

}  // namespace petavox::size_merge
