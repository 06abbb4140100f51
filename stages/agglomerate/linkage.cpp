#include "stages/agglomerate/linkage.hpp"

#include "stages/agglomerate/contact_index.hpp"
#include "stages/agglomerate/merge_queue.hpp"

#include <array>
#include <numeric>

namespace petavox::agglomerate {
namespace {

constexpr std::uint32_t none = ContactIndex::none;

/// Contacts among incomplete nodes cannot change here: only the others are worked on. The lists of contacts
/// at a node are linked through `next_`: half 2c is contact c as seen from its end a, 2c + 1 from b. A
/// contact that is gone has count 0. The index holds the contacts of hubs, nodes with long lists; the
/// contacts that two short lists have in common are found by looking at both. The best contact of a short
/// list is found by looking at it, that of a hub in its queue.
///
/// Steps are done in the order of chains: from a node along its best contact to the next, until a contact is
/// the best of both of its ends. Any order of such steps gives the same result (docs/invariance.md); this one
/// needs no queue of all contacts and works on one neighbourhood after the other, as they lie in memory.
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
        hub_{context.array<std::uint8_t>()},
        index_{contacts_, 0, context},
        queues_{nodes_.size(), context},
        chain_{context.array<std::uint32_t>()} {
    const FaceMask open = context.open();
    frozen_.resize(nodes_.size());
    parents_.resize(nodes_.size());
    std::iota(parents_.begin(), parents_.end(), 0U);
    for (std::size_t i = 0; i < nodes_.size(); ++i) frozen_[i] = is_incomplete(nodes_[i], open) ? 1 : 0;
    lists_.resize(nodes_.size());
    next_.resize(2 * contacts_.size(), none);
    for (std::uint32_t c = 0; c < contacts_.size(); ++c) add(c);
    hub_.resize(nodes_.size());
    for (std::uint32_t i = 0; i < nodes_.size(); ++i)
      if (lists_[i].length > longest_list) make_hub(i);
  }

  void run() {
    // After a round, all segments that hold a node up to `start` are decided: no step makes a contact better.
    for (std::uint32_t start = 0; start < nodes_.size(); ++start)
      if (parents_[start] == start) follow(start);
  }

  std::uint64_t steps() const { return steps_; }
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
    return !gone(c) && frozen_[contacts_[c].a] != 0 && frozen_[contacts_[c].b] != 0;
  }

 private:
  /// Lists up to this length are searched; above, joining into one must not cost its length.
  static constexpr std::uint32_t longest_list = 48;
  struct List {
    std::uint32_t first = none, last = none, length = 0;
  };

  bool gone(std::uint32_t c) const { return contacts_[c].count == 0; }

  void add(std::uint32_t c) {
    const Contact& contact = contacts_[c];
    if (frozen_[contact.a] == 0) append(lists_[contact.a], 2 * c);
    if (frozen_[contact.b] == 0) append(lists_[contact.b], 2 * c + 1);
  }

  /// Each node of the chain is led to by the best contact of the one before it.
  void follow(std::uint32_t start) {
    chain_.push_back(start);
    while (!chain_.empty()) {
      const std::uint32_t a = chain_.back();
      const std::uint32_t c = frozen_[a] != 0 ? none : best_of(a);
      if (c == none) {
        leave(1);
        continue;
      }
      const std::uint32_t b = far_end_from(c, a);
      if (frozen_[b] != 0) {
        frozen_[a] = 1;  // and, step by step, those that led here
        leave(1);
      } else if (chain_.size() < 2 || chain_[chain_.size() - 2] != b) {
        chain_.push_back(b);
      } else if (takes(c, a, b)) {
        leave(2);
        join(a, b);
        if (chain_.empty()) chain_.push_back(root(a));
      } else {
        leave(1);  // the contact is gone; b looks for its next best
      }
    }
  }

  void leave(std::size_t count) { chain_.resize(chain_.size() - count); }

  /// Removes a contact that is first at both ends. True if they join.
  bool takes(std::uint32_t c, std::uint32_t a, std::uint32_t b) {
    // Both are complete: sizes and mean are those of the whole volume.
    const bool joins =
        reaches(contacts_[c].sum, contacts_[c].count, rule_.required(nodes_[a].voxels, nodes_[b].voxels));
    if (hub_[a] != 0 || hub_[b] != 0) index_.erase(a, b, c);
    contacts_[c].count = 0;
    return joins;
  }

  /// The first contact of a node in the order of linkage, or none if it does not reach the lowest threshold.
  std::uint32_t best_of(std::uint32_t node) {
    if (hub_[node] != 0) return best_of_hub(node);
    List& list = lists_[node];
    std::uint32_t best = none, before = none;
    for (std::uint32_t half = list.first; half != none; half = next_[half]) {
      ++steps_;
      if (gone(half >> 1)) {
        (before == none ? list.first : next_[before]) = next_[half];
        if (list.last == half) list.last = before;
        --list.length;
        continue;
      }
      before = half;
      if (best == none || comes_before(half >> 1, best)) best = half >> 1;
    }
    if (best == none || !counts(best)) return none;
    return best;
  }

  /// Entries are of the time when they were made. Means only get lower, so one that is still right is the
  /// best.
  std::uint32_t best_of_hub(std::uint32_t node) {
    while (!queues_.empty(node)) {
      const Ranked<Low> entry = queues_.top(node);
      ++steps_;
      if (gone(entry.contact) || !counts(entry.contact)) {
        queues_.pop(node);
        continue;
      }
      const auto now = Ranked<Low>::of(contacts_[entry.contact], entry.contact);
      if (now == entry) return entry.contact;
      queues_.pop(node);
      queues_.push(node, now);
    }
    return none;
  }

  bool counts(std::uint32_t c) const { return reaches(contacts_[c].sum, contacts_[c].count, rule_.lowest()); }
  bool comes_before(std::uint32_t c, std::uint32_t d) const {
    const Contact &x = contacts_[c], &y = contacts_[d];
    return better(x, y) || (c < d && !better(y, x));
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

  void make_hub(std::uint32_t node) {
    hub_[node] = 1;
    for (std::uint32_t half = lists_[node].first; half != none; half = next_[half]) {
      const std::uint32_t c = half >> 1, far = far_end(half);
      if (gone(c)) continue;
      if (hub_[far] == 0) index_.insert(node, far, c);
      enqueue(node, c);
    }
  }

  void enqueue(std::uint32_t hub, std::uint32_t c) {
    if (counts(c)) queues_.push(hub, Ranked<Low>::of(contacts_[c], c));
  }

  void join(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t small = lists_[a].length < lists_[b].length ? a : b, big = small == a ? b : a;
    parents_[small] = big;
    nodes_[big].voxels += nodes_[small].voxels;
    nodes_[big].name = std::min(nodes_[big].name, nodes_[small].name);
    steps_ += lists_[small].length;
    if (hub_[big] != 0)
      pour_into_hub(small, big);
    else
      pour(small, big);
  }

  /// Both lists are short.
  void pour(std::uint32_t small, std::uint32_t big) {
    steps_ += lists_[big].length;
    constexpr std::uint32_t places = 128;
    static_assert(places > 2 * longest_list);
    std::array<std::uint32_t, places> of_big;
    of_big.fill(none);
    const auto place_of = [&](std::uint32_t far) {
      std::uint32_t place = far * 0x9e3779b1U >> 25;
      while (of_big[place] != none && far_end_from(of_big[place], big) != far) place = (place + 1) % places;
      return place;
    };
    List kept;
    for (std::uint32_t half = lists_[big].first, next = none; half != none; half = next) {
      next = next_[half];
      if (gone(half >> 1)) continue;
      of_big[place_of(far_end(half))] = half >> 1;
      append(kept, half);
    }
    for (std::uint32_t half = lists_[small].first, next = none; half != none; half = next) {
      next = next_[half];
      if (gone(half >> 1)) continue;
      const std::uint32_t present = of_big[place_of(far_end(half))];
      if (move_to(half, small, big, present)) append(kept, half);
    }
    lists_[big] = kept;
    if (kept.length > longest_list) make_hub(big);
  }

  void pour_into_hub(std::uint32_t small, std::uint32_t big) {
    List& target = lists_[big];
    const bool queued = hub_[small] != 0;
    if (queued) queues_.pour(small, big);
    // In groups: what each contact touches next is fetched before it is needed.
    std::array<std::uint32_t, 32> group;
    for (std::uint32_t half = lists_[small].first; half != none;) {
      std::size_t size = 0;
      for (; half != none && size < group.size(); half = next_[half]) {
        __builtin_prefetch(&contacts_[half >> 1], 1);
        group[size++] = half;
      }
      for (std::size_t i = 0; i < size; ++i) index_.prefetch(big, far_end(group[i]));
      for (std::size_t i = 0; i < size; ++i) {
        if (gone(group[i] >> 1) || !move_to(group[i], small, big, index_.find(big, far_end(group[i]))))
          continue;
        append(target, group[i]);
        if (!queued) enqueue(big, group[i] >> 1);
      }
    }
  }

  std::uint32_t far_end(std::uint32_t half) const {
    const Contact& contact = contacts_[half >> 1];
    return (half & 1) == 0 ? contact.b : contact.a;
  }

  std::uint32_t far_end_from(std::uint32_t c, std::uint32_t near) const {
    return contacts_[c].a == near ? contacts_[c].b : contacts_[c].a;
  }

  /// Makes a contact of `small` one of `big`, which has the contact `present` with its far end, or none.
  /// False if it went into that.
  bool move_to(std::uint32_t half, std::uint32_t small, std::uint32_t big, std::uint32_t present) {
    const std::uint32_t c = half >> 1, far = far_end(half);
    Contact& moved = contacts_[c];
    if (hub_[small] != 0 || hub_[far] != 0) index_.erase(small, far, c);
    ((half & 1) == 0 ? moved.a : moved.b) = big;
    const bool indexed = hub_[big] != 0 || hub_[far] != 0;
    if (present == none) {
      if (indexed) index_.insert(big, far, c);
      return true;
    }
    // The sum of two contacts is never better than the better one: the entry of that one in a queue comes to
    // the top early enough to be corrected.
    Contact& other = contacts_[present];
    const bool keep_moved = better(moved, other);
    Contact& kept = keep_moved ? moved : other;
    Contact& lost = keep_moved ? other : moved;
    kept.sum += lost.sum;
    kept.count += lost.count;
    kept.key = std::min(kept.key, lost.key);
    lost.count = 0;
    if (keep_moved && indexed) index_.replace(big, far, present, c);
    return keep_moved;
  }

  SpillVector<Node>& nodes_;
  SpillVector<Contact>& contacts_;
  const MergeRule& rule_;
  SpillVector<std::uint8_t> frozen_;
  SpillVector<std::uint32_t> parents_;
  SpillVector<List> lists_;
  SpillVector<std::uint32_t> next_;
  SpillVector<std::uint8_t> hub_;
  std::uint64_t steps_ = 0;
  ContactIndex index_;
  NodeQueues<Low> queues_;  // of hubs
  SpillVector<std::uint32_t> chain_;
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
  Outcome outcome{context.array<Fate>(), {}, 0};
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
  outcome.steps = linkage.steps();
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
