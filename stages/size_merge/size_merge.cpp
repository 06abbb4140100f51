#include "stages/size_merge/size_merge.hpp"

#include "stages/agglomerate/merge_queue.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace petavox::size_merge {
namespace {

using agglomerate::ContactGraph;
using agglomerate::Node;

/// The work on one box. Nodes that have been merged are found through `places_`.
class Merger {
 public:
  Merger(State& state, const Rule& rule, const ReductionContext& context)
      : nodes_{state.graph.nodes},
        least_{state.least},
        rule_{rule},
        context_{context},
        places_{context.array<Place>()},
        known_{context.array<Contact>()},
        open_contacts_{context.array<Contact>()} {
    places_.reserve(nodes_.size());
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      const bool small = nodes_[i].voxels < rule.min_voxels, open = incomplete(i);
      places_.push_back({i, small, open, small && open});
    }
    // In place: most contacts are kept.
    known_ = std::move(state.graph.contacts);
    std::size_t kept = 0;
    for (const Contact& c : known_)
      if (places_[c.a].open && places_[c.b].open) {
        if (small(c.a) || small(c.b)) open_contacts_.push_back(c);
      } else if (counts(c)) {
        known_[kept++] = c;
      }
    known_.resize(kept);
    for (const Contact& c : state.known)
      if (counts(c)) known_.push_back(c);
    state.known = {};
  }

  /// Takes contacts in their order. What a contact waits for stays undecided.
  ///
  /// In classes of similar means, the best first: a contact whose ends are both large, or one segment, when
  /// its class is begun can never again lead to a join, so it is neither sorted nor looked at once more.
  template <class Low>
  void run() {
    Classes classes = classes_of_contacts();
    auto undecided = context_.array<std::uint32_t>();
    auto candidates = context_.array<Candidate<Low>>();
    for (std::size_t k = num_classes; k-- > 0;) {
      rank_candidates(
          classes.numbers.span().subspan(classes.begins[k], classes.begins[k + 1] - classes.begins[k]),
          candidates);
      for (std::size_t i = candidates.size(); i-- > 0;) {
        if (i >= 12) {  // they come in the order of affinity, hence from anywhere
          __builtin_prefetch(&places_[candidates[i - 12].a]);
          __builtin_prefetch(&places_[candidates[i - 12].b]);
        }
        take(candidates[i].a, candidates[i].b, candidates[i].rank.contact, undecided);
      }
    }
    keep(undecided);
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
  /// What is asked of a node for each of its contacts.
  struct Place {
    std::uint32_t parent;
    bool small;
    bool open;   ///< incomplete, before anything was joined
    bool waits;  ///< small, and something outside the box matters to it
  };

  bool small(std::size_t node) const { return places_[node].small; }
  bool incomplete(std::size_t node) const { return is_incomplete(nodes_[node], context_.open()); }

  /// Whether a contact of which all is known can lead to a join.
  bool counts(const Contact& c) const {
    return (small(c.a) || small(c.b)) && agglomerate::reaches(c.sum, c.count, rule_.min_affinity);
  }

  std::uint32_t root(std::uint32_t node) {
    while (places_[node].parent != node) {
      places_[node].parent = places_[places_[node].parent].parent;
      node = places_[node].parent;
    }
    return node;
  }

  /// Whether a contact of these segments still leads to a join, or will wait.
  bool may_join(std::uint32_t a, std::uint32_t b) const { return a != b && (small(a) || small(b)); }

  void take(std::uint32_t a, std::uint32_t b, std::uint32_t contact, SpillVector<std::uint32_t>& undecided) {
    a = root(a);
    b = root(b);
    if (!may_join(a, b)) return;
    if (places_[a].waits || places_[b].waits) {
      if (small(a)) places_[a].waits = true;
      if (small(b)) places_[b].waits = true;
      undecided.push_back(contact);
    } else {
      join(a, b);
    }
  }

  // The whole number in a mean, of which there are 2^16: its upper half is the class.
  static constexpr std::size_t num_classes = 256, num_ranks = 256;
  static_assert(region_graph::affinity_one < num_classes * num_ranks);
  std::size_t whole_mean(std::uint32_t contact) const {
    return static_cast<std::size_t>(agglomerate::whole_mean(known_[contact].sum, known_[contact].count));
  }

  struct Classes {
    std::array<std::size_t, num_classes + 1> begins{};
    SpillVector<std::uint32_t> numbers;  ///< of contacts, class by class, each ascending
  };
  Classes classes_of_contacts() const {
    Classes classes{{}, context_.array<std::uint32_t>()};
    const auto num_contacts = static_cast<std::uint32_t>(known_.size());
    for (std::uint32_t c = 0; c < num_contacts; ++c) ++classes.begins[whole_mean(c) / num_ranks + 1];
    for (std::size_t k = 0; k < num_classes; ++k) classes.begins[k + 1] += classes.begins[k];
    auto next = classes.begins;
    classes.numbers.resize(num_contacts);
    for (std::uint32_t c = 0; c < num_contacts; ++c) classes.numbers[next[whole_mean(c) / num_ranks]++] = c;
    return classes;
  }

  /// A contact that may join, and its ends when its class was begun.
  template <class Low>
  struct Candidate {
    agglomerate::Ranked<Low> rank;
    std::uint32_t a, b;
    friend bool operator<(const Candidate& x, const Candidate& y) { return x.rank < y.rank; }
  };

  void look_ahead(std::uint32_t soon, std::uint32_t later) const {
    __builtin_prefetch(&places_[known_[soon].a]);
    __builtin_prefetch(&places_[known_[soon].b]);
    __builtin_prefetch(&known_[later]);
  }

  /// Those of a class that may join, ascending.
  template <class Low>
  void rank_candidates(std::span<std::uint32_t> numbers, SpillVector<Candidate<Low>>& candidates) {
    std::array<std::size_t, num_ranks + 1> next{};
    std::size_t left = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (i + 24 < numbers.size()) look_ahead(numbers[i + 12], numbers[i + 24]);
      const std::uint32_t number = numbers[i];
      if (!may_join(root(known_[number].a), root(known_[number].b))) continue;
      numbers[left++] = number;
      ++next[whole_mean(number) % num_ranks + 1];
    }
    for (std::size_t r = 0; r < num_ranks; ++r) next[r + 1] += next[r];
    const auto begins = next;
    candidates.resize(left);
    for (std::size_t i = 0; i < left; ++i) {
      if (i + 16 < left) __builtin_prefetch(&known_[numbers[i + 16]]);
      const std::uint32_t number = numbers[i];
      const Contact& c = known_[number];
      candidates[next[whole_mean(number) % num_ranks]++] = {agglomerate::Ranked<Low>::of(c, number),
                                                            root(c.a), root(c.b)};
    }
    for (std::size_t r = 0; r < num_ranks; ++r)
      std::sort(candidates.begin() + begins[r], candidates.begin() + begins[r + 1]);
  }

  /// Not both incomplete: of two, both would be large. The incomplete one keeps its name.
  void join(std::uint32_t a, std::uint32_t b) {
    if (incomplete(b) || (!incomplete(a) && nodes_[b].voxels > nodes_[a].voxels)) std::swap(a, b);
    places_[b].parent = a;
    nodes_[a].voxels += nodes_[b].voxels;
    places_[a].small = nodes_[a].voxels < rule_.min_voxels;
    least_[a] = std::min(least_[a], least_[b]);
  }

  /// Of the undecided contacts those between what the nodes have become; the best of each pair.
  void keep(const SpillVector<std::uint32_t>& undecided) {
    auto kept = context_.array<Contact>();
    kept.reserve(undecided.size());
    for (const std::uint32_t number : undecided) {
      Contact c = known_[number];
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
  SpillVector<Place> places_;
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
