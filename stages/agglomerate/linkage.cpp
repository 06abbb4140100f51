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
/// contact that is gone has count 0. Candidates, the contacts that reached the lowest threshold at the
/// beginning, are in a list of their own: no other contact can ever be the best of a node, for none gets
/// better and of two that become one the better one stays. The index holds the contacts of hubs, nodes with
/// long lists; the contacts that two short lists have in common are found by looking at both. The best
/// contact is found by looking at the candidates, or in a queue if they are many, and kept until it changes.
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
        best_{context.array<std::uint32_t>()},
        lists_{context.array<Lists>()},
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
    best_.resize(nodes_.size(), none);
    lists_.resize(nodes_.size());
    next_.resize(2 * contacts_.size(), none);
    for (std::uint32_t c = 0; c < contacts_.size(); ++c) add(c);
    hub_.resize(nodes_.size());
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      if (lists_[i].length > longest_list) hub_[i] = is_hub;
      if (lists_[i].num_candidates > longest_list) make_queue(i);
    }
    index_hubs();
  }

  void run() {
    // After a round, all segments that hold a node up to `start` are decided: no step makes a contact better.
    for (std::uint32_t start = 0; start < nodes_.size(); ++start)
      if (parents_[start] == start) follow(start);
  }

  std::uint64_t steps() const { return steps_; }
  bool frozen(std::uint32_t node) const { return frozen_[node] != 0; }
  bool any_frozen() const { return std::find(frozen_.begin(), frozen_.end(), 1) != frozen_.end(); }
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
  static constexpr std::uint32_t unknown = none - 1;
  static constexpr std::uint8_t is_hub = 1, is_queued = 2;
  /// The last of each list, whose next is the first.
  struct Lists {
    std::uint32_t candidates = none, others = none;
    std::uint32_t length = 0, num_candidates = 0;  ///< of both; of the first (gone ones may be counted)
  };

  bool gone(std::uint32_t c) const { return contacts_[c].count == 0; }

  void add(std::uint32_t c) {
    const Contact& contact = contacts_[c];
    const bool candidate = counts(c);
    for (const std::uint32_t half : {2 * c, 2 * c + 1}) {
      const std::uint32_t near = half % 2 == 0 ? contact.a : contact.b;
      if (frozen_[near] != 0) continue;
      append(lists_[near], half, candidate);
      if (candidate && (best_[near] == none || comes_before(c, best_[near]))) best_[near] = c;
    }
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
    if (is_indexed(a, b)) index_.erase(a, b, c);
    contacts_[c].count = 0;
    best_[a] = best_[b] = unknown;
    return joins;
  }

  bool is_indexed(std::uint32_t a, std::uint32_t b) const { return ((hub_[a] | hub_[b]) & is_hub) != 0; }

  /// The first contact of a node in the order of linkage, or none if it does not reach the lowest threshold.
  std::uint32_t best_of(std::uint32_t node) {
    std::uint32_t& best = best_[node];
    if (best == unknown) {
      best = (hub_[node] & is_queued) != 0 ? best_of_queue(node) : best_of_list(node);
      if (best != none && !counts(best)) best = none;
    }
    return best;
  }

  std::uint32_t best_of_list(std::uint32_t node) {
    std::uint32_t best = none;
    Lists& lists = lists_[node];
    sweep(lists.candidates, [&](std::uint32_t half) {
      ++steps_;
      if (gone(half >> 1)) {
        --lists.length;
        --lists.num_candidates;
        return false;
      }
      if (best == none || comes_before(half >> 1, best)) best = half >> 1;
      return true;
    });
    return best;
  }

  /// Entries are of the time when they were made. Means only get lower, so one that is still right is the
  /// best.
  std::uint32_t best_of_queue(std::uint32_t node) {
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

  void append(Lists& lists, std::uint32_t half, bool candidate) {
    std::uint32_t& last = candidate ? lists.candidates : lists.others;
    if (last == none) {
      next_[half] = half;
    } else {
      next_[half] = next_[last];
      next_[last] = half;
    }
    last = half;
    ++lists.length;
    lists.num_candidates += candidate ? 1 : 0;
  }

  /// Calls keep(half) for each of a list and takes out those for which it is false.
  template <class Keep>
  void sweep(std::uint32_t& last, Keep&& keep) {
    if (last == none) return;
    const std::uint32_t end = last;
    std::uint32_t before = last, kept = none;
    for (std::uint32_t half = next_[last], next = none;; half = next) {
      next = next_[half];
      const bool was_last = half == end;
      if (keep(half)) {
        before = kept = half;
      } else {
        next_[before] = next;
      }
      if (was_last) break;
    }
    last = kept;
  }

  /// Calls f(half, candidate) for each half of a node's lists, which it may move to another.
  template <class F>
  void for_each_half(std::uint32_t node, F&& f) {
    const Lists lists = lists_[node];
    for (const bool candidate : {true, false}) {
      const std::uint32_t last = candidate ? lists.candidates : lists.others;
      if (last == none) continue;
      for (std::uint32_t half = next_[last], next = none;; half = next) {
        next = next_[half];
        const bool was_last = half == last;
        f(half, candidate);
        if (was_last) break;
      }
    }
  }

  void make_queue(std::uint32_t node) {
    hub_[node] = static_cast<std::uint8_t>(hub_[node] | is_queued);
    for_each_half(node, [&](std::uint32_t half, bool candidate) {
      if (candidate && !gone(half >> 1)) enqueue(node, half >> 1);
    });
  }

  /// Fills the index with the contacts of the first hubs, in the order in which contacts lie in memory.
  void index_hubs() {
    const auto wanted = [&](const Contact& c) { return is_indexed(c.a, c.b); };
    std::size_t expected = 0;
    for (const Contact& c : contacts_) expected += wanted(c) ? 1 : 0;
    if (expected == 0) return;
    index_.reserve(expected);
    constexpr std::size_t ahead = 16;
    for (std::size_t c = 0; c < contacts_.size(); ++c) {
      if (c + ahead < contacts_.size() && wanted(contacts_[c + ahead]))
        index_.prefetch(contacts_[c + ahead].a, contacts_[c + ahead].b);
      if (wanted(contacts_[c])) index_.insert(contacts_[c].a, contacts_[c].b, static_cast<std::uint32_t>(c));
    }
  }

  void make_hub(std::uint32_t node) {
    for_each_half(node, [&](std::uint32_t half, bool) {
      const std::uint32_t far = far_end(half);
      if (!gone(half >> 1) && (hub_[far] & is_hub) == 0) index_.insert(node, far, half >> 1);
    });
    hub_[node] = static_cast<std::uint8_t>(hub_[node] | is_hub);
  }

  void enqueue(std::uint32_t node, std::uint32_t c) {
    if (counts(c)) queues_.push(node, Ranked<Low>::of(contacts_[c], c));
  }

  void join(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t small = lists_[a].length < lists_[b].length ? a : b, big = small == a ? b : a;
    parents_[small] = big;
    nodes_[big].voxels += nodes_[small].voxels;
    nodes_[big].name = std::min(nodes_[big].name, nodes_[small].name);
    steps_ += lists_[small].length;
    if ((hub_[small] & is_queued) != 0) {
      if ((hub_[big] & is_queued) == 0) make_queue(big);
      queues_.pour(small, big);
    }
    if ((hub_[big] & is_hub) != 0)
      pour_into_hub(small, big);
    else
      pour(small, big);
    if ((hub_[big] & is_queued) == 0 && lists_[big].num_candidates > longest_list) make_queue(big);
  }

  /// Whether the candidates of `small` must be put into the queue of `big` one by one.
  bool must_enqueue(std::uint32_t small, std::uint32_t big) const {
    return (hub_[big] & ~hub_[small] & is_queued) != 0;
  }

  /// Both lists are short.
  void pour(std::uint32_t small, std::uint32_t big) {
    steps_ += lists_[big].length;
    const bool queues = must_enqueue(small, big);
    constexpr std::uint32_t places = 128;
    static_assert(places > 2 * longest_list);
    std::array<std::uint32_t, places> of_big;
    of_big.fill(none);
    const auto place_of = [&](std::uint32_t far) {
      std::uint32_t place = far * 0x9e3779b1U >> 25;
      while (of_big[place] != none && far_end_from(of_big[place], big) != far) place = (place + 1) % places;
      return place;
    };
    Lists kept;
    for_each_half(big, [&](std::uint32_t half, bool candidate) {
      if (gone(half >> 1)) return;
      of_big[place_of(far_end(half))] = half >> 1;
      append(kept, half, candidate);
    });
    for_each_half(small, [&](std::uint32_t half, bool candidate) {
      if (gone(half >> 1)) return;
      const std::uint32_t present = of_big[place_of(far_end(half))];
      if (!move_to(half, small, big, present)) return;
      append(kept, half, candidate);
      if (queues && candidate) enqueue(big, half >> 1);
    });
    lists_[big] = kept;
    if (kept.length > longest_list) make_hub(big);
  }

  void pour_into_hub(std::uint32_t small, std::uint32_t big) {
    const bool queues = must_enqueue(small, big);
    // In groups: what each contact touches next is fetched before it is needed.
    struct Half {
      std::uint32_t half;
      bool candidate;
    };
    std::array<Half, 32> group;
    std::size_t size = 0;
    const auto pour_group = [&] {
      for (std::size_t i = 0; i < size; ++i) index_.prefetch(big, far_end(group[i].half));
      for (std::size_t i = 0; i < size; ++i) {
        const auto [half, candidate] = group[i];
        if (gone(half >> 1) || !move_to(half, small, big, index_.find(big, far_end(half)))) continue;
        append(lists_[big], half, candidate);
        if (queues && candidate) enqueue(big, half >> 1);
      }
      size = 0;
    };
    for_each_half(small, [&](std::uint32_t half, bool candidate) {
      __builtin_prefetch(&contacts_[half >> 1], 1);
      group[size++] = {half, candidate};
      if (size == group.size()) pour_group();
    });
    pour_group();
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
    if (is_indexed(small, far)) index_.erase(small, far, c);
    ((half & 1) == 0 ? moved.a : moved.b) = big;
    const bool indexed = is_indexed(big, far);
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
    if (best_[far] == c || best_[far] == present) best_[far] = unknown;
    if (keep_moved && indexed) index_.replace(big, far, present, c);
    return keep_moved;
  }

  SpillVector<Node>& nodes_;
  SpillVector<Contact>& contacts_;
  const MergeRule& rule_;
  SpillVector<std::uint8_t> frozen_;
  SpillVector<std::uint32_t> parents_;
  SpillVector<std::uint32_t> best_;  // of each node: its best contact, none, or unknown
  SpillVector<Lists> lists_;
  SpillVector<std::uint32_t> next_;
  SpillVector<std::uint8_t> hub_;
  std::uint64_t steps_ = 0;
  ContactIndex index_;
  NodeQueues<Low> queues_;  // of nodes with many candidates
  SpillVector<std::uint32_t> chain_;
};

/// What is left, renumbered in the order of names.
template <class Low>
ContactGraph rest_of(const ContactGraph& graph, Linkage<Low>& linkage, const ReductionContext& context) {
  const auto count = static_cast<std::uint32_t>(graph.nodes.size());
  ContactGraph rest{context.array<Node>(), context.array<Contact>()};
  if (!linkage.any_frozen()) return rest;  // as at the root
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
