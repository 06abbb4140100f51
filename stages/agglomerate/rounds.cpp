#include "stages/agglomerate/rounds.hpp"

#include <bit>
#include <numeric>

namespace petavox::agglomerate {
namespace {

class Rounds {
 public:
  Rounds(ContactGraph& graph, const MergeRule& rule, const ReductionContext& context, Progress& progress)
      : nodes_{graph.nodes},
        contacts_{graph.contacts},
        rule_{rule},
        progress_{progress},
        joined_{context.array<std::uint8_t>()},
        of_node_{context.array<std::uint32_t>()},
        second_{context.array<std::uint32_t>()},
        order_{context.array<std::uint32_t>()} {}

  void run() {
    joined_.resize(nodes_.size());
    of_node_.resize(nodes_.size());
    second_.resize(nodes_.size());
    prune();
    for (std::size_t before = contacts_.size(); before > 0;) {
      find_best();
      join_pairs();
      contract();
      remove_gone();
      if (contacts_.size() >= before - before / least_part) break;
      before = contacts_.size();
    }
    prune();
  }

 private:
  static constexpr std::uint32_t none = 0xffffffffU;
  /// A round that removes less than one contact of so many is the last.
  static constexpr std::size_t least_part = 8;

  bool is_open(std::uint32_t node) const { return progress_.states[node] == NodeState::open; }

  void find_best() {
    std::fill(of_node_.begin(), of_node_.end(), none);
    const Billionths lowest = rule_.lowest();
    for (std::uint32_t c = 0; c < contacts_.size(); ++c) {
      const Contact& contact = contacts_[c];
      if (!reaches(contact.sum, contact.count, lowest)) continue;
      const float mean = static_cast<float>(contact.sum) / static_cast<float>(contact.count);
      offer(contact.a, c, mean);
      offer(contact.b, c, mean);
    }
    progress_.steps += contacts_.size();
  }

  void offer(std::uint32_t node, std::uint32_t c, float mean) {
    // Each of three roundings changes a mean by at most 2^-24 of it: further apart, the order is certain.
    constexpr float more = 1.0F + 0x1p-20F;
    std::uint32_t& best = of_node_[node];
    if (best != none) {
      const float best_mean = std::bit_cast<float>(second_[node]);
      if (mean * more < best_mean) return;
      if (!(mean > best_mean * more) && !better(contacts_[c], contacts_[best])) return;
    }
    best = c;
    second_[node] = std::bit_cast<std::uint32_t>(mean);
  }

  void join_pairs() {
    std::fill(joined_.begin(), joined_.end(), std::uint8_t{0});
    for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
      if (progress_.parents[node] != node || !is_open(node)) continue;
      const std::uint32_t c = of_node_[node];
      if (c == none) {
        progress_.states[node] = NodeState::alone;
        continue;
      }
      Contact& contact = contacts_[c];
      const std::uint32_t far = contact.a == node ? contact.b : contact.a;
      if (progress_.states[far] == NodeState::frozen)
        progress_.states[node] = NodeState::frozen;
      else if (of_node_[far] == c && far > node)
        take(contact, node, far);
    }
  }

  /// Of a contact that is first at both ends, which are complete: sizes and mean are those of the volume.
  void take(Contact& contact, std::uint32_t a, std::uint32_t b) {
    if (reaches(contact.sum, contact.count, rule_.required(nodes_[a].voxels, nodes_[b].voxels))) {
      progress_.parents[b] = a;
      nodes_[a].voxels += nodes_[b].voxels;
      joined_[a] = 1;
    }
    contact.count = 0;
  }

  /// Contacts become those of the joined nodes; of each pair one is left.
  void contract() {
    // Sorted by their first end, counting. Where neither end was joined, no pair can be there twice.
    const auto touched = [&](const Contact& c) { return c.count != 0 && (joined_[c.a] | joined_[c.b]) != 0; };
    std::fill(of_node_.begin(), of_node_.end(), 0U);
    for (Contact& c : contacts_) {
      c.a = progress_.parents[c.a];
      c.b = progress_.parents[c.b];
      if (c.a > c.b) std::swap(c.a, c.b);
      of_node_[c.a] += touched(c) ? 1 : 0;
    }
    std::uint32_t total = 0;
    for (std::uint32_t& count : of_node_) total += std::exchange(count, total);
    order_.resize(total);
    for (std::uint32_t c = 0; c < contacts_.size(); ++c)
      if (touched(contacts_[c])) order_[of_node_[contacts_[c].a]++] = c;
    progress_.steps += 2 * contacts_.size() + total;
    std::fill(second_.begin(), second_.end(), 0U);
    std::uint32_t begin = 0;
    for (const std::uint32_t end : of_node_) {
      for (std::uint32_t i = begin; i < end; ++i) add_up(i, begin);
      begin = end;
    }
  }

  void add_up(std::uint32_t place, std::uint32_t row_begin) {
    Contact& contact = contacts_[order_[place]];
    std::uint32_t& last = second_[contact.b];
    if (last <= row_begin) {
      last = place + 1;
      return;
    }
    Contact& kept = contacts_[order_[last - 1]];
    kept.sum += contact.sum;
    kept.count += contact.count;
    kept.key = std::min(kept.key, contact.key);
    contact.count = 0;
  }

  void remove_gone() {
    remove_unless([&](const Contact& c) {
      return progress_.states[c.a] != NodeState::alone && progress_.states[c.b] != NodeState::alone;
    });
  }

  /// Removes contacts below the lowest threshold whose ends no chain of contacts that reach it leads
  /// together: such ends never come into one segment, so nothing is added to the contact that could.
  /// Incomplete nodes are as one here: outside they may be.
  void prune() {
    std::iota(second_.begin(), second_.end(), 0U);
    std::uint32_t first_frozen = none;
    for (std::uint32_t i = 0; i < nodes_.size(); ++i)
      if (progress_.states[i] == NodeState::frozen) second_[i] = first_frozen = std::min(i, first_frozen);
    const Billionths lowest = rule_.lowest();
    for (const Contact& c : contacts_)
      if (reaches(c.sum, c.count, lowest)) unite(c.a, c.b);
    progress_.steps += contacts_.size();
    remove_unless([&](const Contact& c) { return group(c.a) == group(c.b); });
  }

  /// Removes contacts that are gone, too.
  template <class Matters>
  void remove_unless(Matters&& matters) {
    progress_.steps += contacts_.size();
    std::size_t kept = 0;
    for (const Contact& c : contacts_)
      if (c.count != 0 && matters(c)) contacts_[kept++] = c;
    contacts_.resize(kept);
  }

  void unite(std::uint32_t a, std::uint32_t b) {
    a = group(a);
    b = group(b);
    second_[std::max(a, b)] = std::min(a, b);
  }
  std::uint32_t group(std::uint32_t node) {
    while (second_[node] != node) {
      second_[node] = second_[second_[node]];
      node = second_[node];
    }
    return node;
  }

  SpillVector<Node>& nodes_;
  SpillVector<Contact>& contacts_;
  const MergeRule& rule_;
  Progress& progress_;
  SpillVector<std::uint8_t> joined_;    // in this round
  SpillVector<std::uint32_t> of_node_;  // its best contact; while contracting, where its row is in order_
  // The best contact's mean as a float; while contracting, 1 + the place in order_ where the node was last a
  // far end; while pruning, towards the first node of its group.
  SpillVector<std::uint32_t> second_;
  SpillVector<std::uint32_t> order_;
};

}  // namespace

Progress unjoined(const SpillVector<Node>& nodes, const ReductionContext& context) {
  Progress progress{context.array<std::uint32_t>(), context.array<NodeState>(), 0};
  progress.parents.resize(nodes.size());
  std::iota(progress.parents.begin(), progress.parents.end(), 0U);
  progress.states.resize(nodes.size());
  const FaceMask open = context.open();
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (is_incomplete(nodes[i], open)) progress.states[i] = NodeState::frozen;
  return progress;
}

void join_in_rounds(ContactGraph& graph, const MergeRule& rule, const ReductionContext& context,
                    Progress& progress) {
  Rounds{graph, rule, context, progress}.run();
}

}  // namespace petavox::agglomerate
