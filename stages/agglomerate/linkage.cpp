#include "stages/agglomerate/linkage.hpp"

#include "stages/agglomerate/contact_index.hpp"
#include "stages/agglomerate/merge_queue.hpp"

#include <array>
#include <numeric>

namespace petavox::agglomerate {
namespace {

constexpr std::uint32_t none = ContactIndex::none;

/// Contacts among incomplete nodes cannot change here: only the others are worked on. The lists of contacts
/// at a node are linked through `next_`: half 2c is contact c as seen from its end a, 2c + 1 from b.
template <class Low>
class Linkage {
 public:
  Linkage(ContactGraph& graph, const MergeRule& rule, const ReductionContext& context)
      : nodes_{graph.nodes},
        contacts_{graph.contacts},
        rule_{rule},
        frozen_{context.array<std::uint8_t>()},
        parents_{context.array<std::uint32_t>()},
        lists_{context.array<List>()},
        next_{context.array<std::uint32_t>()},
        status_{context.array<std::uint8_t>()},
        index_{contacts_, contacts_.size(), context},
        queue_{context, 0} {
    const FaceMask open = context.open();
    frozen_.resize(nodes_.size());
    parents_.resize(nodes_.size());
    std::iota(parents_.begin(), parents_.end(), 0U);
    for (std::size_t i = 0; i < nodes_.size(); ++i) frozen_[i] = is_incomplete(nodes_[i], open) ? 1 : 0;
    lists_.resize(nodes_.size());
    next_.resize(2 * contacts_.size(), none);
    status_.resize(contacts_.size(), live);
    for (std::uint32_t c = 0; c < contacts_.size(); ++c) add(c);
    queue_.start();
  }

  void run() {
    while (!queue_.empty()) {
      look_ahead();
      const auto entry = queue_.pop();
      const std::uint32_t c = entry.contact;
      if (status_[c] == dead) continue;
      if (status_[c] == changed) {
        status_[c] = live;
        enqueue_again(c);
        continue;
      }
      const std::uint32_t a = contacts_[c].a, b = contacts_[c].b;
      if (frozen_[a] != 0 || frozen_[b] != 0) {
        frozen_[a] = frozen_[b] = 1;
      } else {
        remove(c);
        // First at both ends, both complete: sizes and mean are those of the whole volume.
        if (reaches(contacts_[c].sum, contacts_[c].count, rule_.required(nodes_[a].voxels, nodes_[b].voxels)))
          join(a, b);
      }
    }
  }

  bool frozen(std::uint32_t node) const { return frozen_[node] != 0; }
  std::uint32_t root(std::uint32_t node) {
    while (parents_[node] != node) {
      parents_[node] = parents_[parents_[node]];
      node = parents_[node];
    }
    return node;
  }
  /// Undecided: between two nodes that may still change.
  bool remains(std::uint32_t c) const {
    return status_[c] != dead && frozen_[contacts_[c].a] != 0 && frozen_[contacts_[c].b] != 0;
  }

 private:
  enum : std::uint8_t { live, changed, dead };
  struct List {
    std::uint32_t first = none, last = none, length = 0;
  };

  void add(std::uint32_t c) {
    const Contact& contact = contacts_[c];
    const bool a_changes = frozen_[contact.a] == 0, b_changes = frozen_[contact.b] == 0;
    if (!a_changes && !b_changes) return;
    index_.insert(contact.a, contact.b, c);
    if (a_changes) append(lists_[contact.a], 2 * c);
    if (b_changes) append(lists_[contact.b], 2 * c + 1);
    if (reaches(contact.sum, contact.count, rule_.lowest())) queue_.add(queue_.entry(contact, c));
  }

  void append(List& list, std::uint32_t half) {
    next_[half] = none;
    if (list.first == none)
      list.first = half;
    else
      next_[list.last] = half;
    list.last = half;
    ++list.length;
  }

  void enqueue_again(std::uint32_t c) {
    const Contact& contact = contacts_[c];
    if (reaches(contact.sum, contact.count, rule_.lowest())) queue_.push(queue_.entry(contact, c));
  }

  void remove(std::uint32_t c) {
    index_.erase(contacts_[c].a, contacts_[c].b, c);
    status_[c] = dead;
  }

  void join(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t small = lists_[a].length < lists_[b].length ? a : b, big = small == a ? b : a;
    parents_[small] = big;
    nodes_[big].voxels += nodes_[small].voxels;
    nodes_[big].name = std::min(nodes_[big].name, nodes_[small].name);
    List& target = lists_[big];
    // In groups: what each contact touches next is fetched before it is needed.
    std::array<std::uint32_t, 32> group;
    for (std::uint32_t half = lists_[small].first; half != none;) {
      std::size_t size = 0;
      for (; half != none && size < group.size(); half = next_[half]) {
        __builtin_prefetch(&contacts_[half >> 1], 1);
        __builtin_prefetch(&status_[half >> 1], 1);
        group[size++] = half;
      }
      for (std::size_t i = 0; i < size; ++i) {
        const std::uint32_t far = far_end(group[i]);
        index_.prefetch(small, far);
        index_.prefetch(big, far);
      }
      for (std::size_t i = 0; i < size; ++i)
        if (status_[group[i] >> 1] != dead && move_to(group[i], small, big)) append(target, group[i]);
    }
  }

  std::uint32_t far_end(std::uint32_t half) const {
    const Contact& contact = contacts_[half >> 1];
    return (half & 1) == 0 ? contact.b : contact.a;
  }

  void look_ahead() {
    const Contact& soon = contacts_[queue_.upcoming(8)];
    for (const std::uint32_t node : {soon.a, soon.b}) {
      __builtin_prefetch(&frozen_[node]);
      __builtin_prefetch(&lists_[node]);
    }
    __builtin_prefetch(&contacts_[queue_.upcoming(16)]);
    __builtin_prefetch(&status_[queue_.upcoming(16)]);
  }

  /// Makes a contact of `small` one of `big`. False if it went into one that `big` has already.
  bool move_to(std::uint32_t half, std::uint32_t small, std::uint32_t big) {
    const std::uint32_t c = half >> 1;
    Contact& moved = contacts_[c];
    std::uint32_t& near = (half & 1) == 0 ? moved.a : moved.b;
    const std::uint32_t far = far_end(half);
    index_.erase(small, far, c);
    const std::uint32_t present = index_.find(big, far);
    near = big;
    if (present == none) {
      index_.insert(big, far, c);
      return true;
    }
    // The sum of two contacts is never better than the better one: kept in its place, it is taken from the
    // queue early enough to be put back where it belongs.
    Contact& other = contacts_[present];
    const bool keep_moved = better(moved, other);
    Contact& kept = keep_moved ? moved : other;
    const Contact& gone = keep_moved ? other : moved;
    kept.sum += gone.sum;
    kept.count += gone.count;
    kept.key = std::min(kept.key, gone.key);
    status_[keep_moved ? c : present] = changed;
    status_[keep_moved ? present : c] = dead;
    if (keep_moved) index_.replace(big, far, present, c);
    return keep_moved;
  }

  SpillVector<Node>& nodes_;
  SpillVector<Contact>& contacts_;
  const MergeRule& rule_;
  SpillVector<std::uint8_t> frozen_;
  SpillVector<std::uint32_t> parents_;
  SpillVector<List> lists_;
  SpillVector<std::uint32_t> next_;
  SpillVector<std::uint8_t> status_;
  ContactIndex index_;
  MergeQueue<Low> queue_;
};

/// What is left, renumbered in the order of names.
template <class Low>
ContactGraph rest_of(const ContactGraph& graph, Linkage<Low>& linkage, const ReductionContext& context) {
  const auto count = static_cast<std::uint32_t>(graph.nodes.size());
  ContactGraph rest{context.array<Node>(), context.array<Contact>()};
  auto needed = context.array<std::uint8_t>();
  needed.resize(count);
  std::size_t contacts = 0;
  for (std::uint32_t c = 0; c < graph.contacts.size(); ++c)
    if (linkage.remains(c)) {
      needed[graph.contacts[c].a] = needed[graph.contacts[c].b] = 1;
      ++contacts;
    }
  struct Kept {
    Name name;
    std::uint32_t node;
    std::uint32_t unused;
  };
  auto kept = context.array<Kept>();
  for (std::uint32_t i = 0; i < count; ++i)
    if (linkage.root(i) == i && linkage.frozen(i) && (graph.nodes[i].known != 0 || needed[i] != 0))
      kept.push_back({graph.nodes[i].name, i, 0});
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.name < b.name; });
  auto number = context.array<std::uint32_t>();
  number.resize(count);
  rest.nodes.reserve(kept.size());
  for (const Kept& k : kept) {
    number[k.node] = static_cast<std::uint32_t>(rest.nodes.size());
    rest.nodes.push_back(graph.nodes[k.node]);
  }
  rest.contacts.reserve(contacts);
  for (std::uint32_t c = 0; c < graph.contacts.size(); ++c) {
    if (!linkage.remains(c)) continue;
    Contact contact = graph.contacts[c];
    contact.a = number[contact.a];
    contact.b = number[contact.b];
    if (contact.a > contact.b) std::swap(contact.a, contact.b);
    rest.contacts.push_back(contact);
  }
  std::sort(rest.contacts.begin(), rest.contacts.end(), contact_before);
  return rest;
}

template <class Low>
Outcome link_as(ContactGraph graph, const MergeRule& rule, const ReductionContext& context) {
  Outcome outcome{context.array<Fate>(), {}};
  outcome.fates.reserve(graph.nodes.size());
  for (const Node& node : graph.nodes)
    outcome.fates.push_back({node.name, 0, node.known});  // `settled` holds known for the moment
  Linkage<Low> linkage{graph, rule, context};
  linkage.run();
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < graph.nodes.size(); ++i) {
    Fate fate = outcome.fates[i];
    if (fate.settled == 0) continue;  // not known here
    const std::uint32_t root = linkage.root(i);
    fate.to = graph.nodes[root].name;
    fate.settled = linkage.frozen(root) ? 0 : 1;
    outcome.fates[kept++] = fate;
  }
  outcome.fates.resize(kept);
  outcome.rest = rest_of(graph, linkage, context);
  return outcome;
}

}  // namespace

Outcome link(ContactGraph graph, const MergeRule& rule, const ReductionContext& context, bool connected) {
  std::uint64_t voxel_edges = 0;
  for (const Contact& c : graph.contacts) voxel_edges += c.count;
  check_nodes(graph.nodes, context, connected);
  // No contact can grow beyond the sum of all.
  if (voxel_edges < std::uint64_t{1} << 40) return link_as<std::uint32_t>(std::move(graph), rule, context);
  return link_as<std::uint64_t>(std::move(graph), rule, context);
}

}  // namespace petavox::agglomerate
