#include "stages/agglomerate/linkage.hpp"

#include "stages/agglomerate/contact_index.hpp"
#include "stages/agglomerate/contact_rows.hpp"
#include "stages/agglomerate/merge_queue.hpp"
#include "stages/agglomerate/rounds.hpp"

#include <array>
#include <bit>
#include <numeric>

namespace petavox::agglomerate {
namespace {

constexpr std::uint32_t none = ContactIndex::none;

/// Contacts among incomplete nodes cannot change here: only the others are worked on. Each node has a row of
/// the numbers of its contacts; a contact that is gone has count 0. Candidates, the contacts that reached the
/// lowest threshold at the beginning, come first in a row: no other contact can ever be the best of a node,
/// for none gets better and of two that become one the better one stays. The index holds the contacts of
/// hubs, nodes with long rows; the contacts that two short rows have in common are found by looking at both.
/// The best contact is found by looking at the candidates, or in a queue if they are many, and kept until it
/// changes.
///
/// Steps are done in the order of chains: from a node along its best contact to the next, until a contact is
/// the best of both of its ends. Any order of such steps gives the same result (docs/invariance.md); this one
/// needs no queue of all contacts and works on one neighbourhood after the other, as they lie in memory.
template <class Low>
class Linkage {
 public:
  Linkage(ContactGraph& graph, const MergeRule& rule, const ReductionContext& context, Progress& progress)
      : nodes_{graph.nodes},
        contacts_{graph.contacts},
        rule_{rule},
        progress_{progress},
        parents_{progress.parents},
        least_{context.array<std::uint32_t>()},
        best_{context.array<std::uint32_t>()},
        rows_{context},
        hub_{context.array<std::uint8_t>()},
        index_{contacts_, 0, context},
        queues_{nodes_.size(), context},
        chain_{context.array<std::uint32_t>()} {
    least_.resize(nodes_.size());
    std::iota(least_.begin(), least_.end(), 0U);
    best_.resize(nodes_.size(), none);
    make_rows();
    hub_.resize(nodes_.size());
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      if (rows_[i].length > longest_row) hub_[i] = is_hub;
      if (rows_[i].num_candidates > longest_row) make_queue(i);
    }
    index_hubs();
  }

  void run() {
    // After a round, all segments that hold a node up to `start` are decided: no step makes a contact better.
    for (std::uint32_t start = 0; start < nodes_.size(); ++start)
      if (parents_[start] == start) follow(start);
  }

  std::uint64_t steps() const { return steps_; }
  bool frozen(std::uint32_t node) const { return progress_.states[node] == NodeState::frozen; }
  bool any_frozen() const {
    return std::find(progress_.states.begin(), progress_.states.end(), NodeState::frozen) !=
           progress_.states.end();
  }
  std::uint32_t root(std::uint32_t node) { return progress_.root(node); }
  /// The name of a segment.
  Name name(std::uint32_t root) const { return nodes_[least_[root]].name; }
  /// Undecided: between two nodes that may still change.
  bool remains(std::uint32_t c) const { return !gone(c) && frozen(contacts_[c].a) && frozen(contacts_[c].b); }

 private:
  /// Rows up to this length are searched; above, joining into one must not cost its length.
  static constexpr std::uint32_t longest_row = 192;
  static constexpr std::uint32_t unknown = none - 1;
  static constexpr std::uint8_t is_hub = 1, is_queued = 2;
  bool gone(std::uint32_t c) const { return contacts_[c].count == 0; }

  void make_rows() {
    rows_.resize(nodes_.size());
    const auto for_each_end = [&](auto&& f) {
      for (std::uint32_t c = 0; c < contacts_.size(); ++c)
        for (const std::uint32_t node : {contacts_[c].a, contacts_[c].b})
          if (!frozen(node)) f(c, node);
    };
    for_each_end([&](std::uint32_t, std::uint32_t node) { ++rows_[node].capacity; });
    rows_.lay_out();
    for_each_end([&](std::uint32_t c, std::uint32_t node) {
      const bool candidate = counts(c);
      rows_.put(rows_[node], c, candidate);
      if (candidate && (best_[node] == none || comes_before(c, best_[node]))) best_[node] = c;
    });
  }

  /// Each node of the chain is led to by the best contact of the one before it.
  void follow(std::uint32_t start) {
    chain_.push_back(start);
    while (!chain_.empty()) {
      const std::uint32_t a = chain_.back();
      const std::uint32_t c = frozen(a) ? none : best_of(a);
      if (c == none) {
        leave(1);
        continue;
      }
      const std::uint32_t b = far_end(c, a);
      if (frozen(b)) {
        progress_.states[a] = NodeState::frozen;  // and, step by step, those that led here
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
    ContactRow& row = rows_[node];
    std::uint32_t* const cells = rows_.cells(row);
    steps_ += row.num_candidates;
    for (std::uint32_t i = 0; i < row.num_candidates; ++i) __builtin_prefetch(&contacts_[cells[i]]);
    for (std::uint32_t i = 0; i < row.num_candidates;) {
      const std::uint32_t c = cells[i];
      if (gone(c)) {
        cells[i] = cells[--row.num_candidates];
        cells[row.num_candidates] = cells[--row.length];
        continue;
      }
      if (best == none || comes_before(c, best)) best = c;
      ++i;
    }
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

  /// Calls f(contact, candidate) for each contact of a node that is not gone.
  template <class F>
  void for_each_contact(std::uint32_t node, F&& f) {
    const ContactRow row = rows_[node];
    for (std::uint32_t i = 0; i < row.length; ++i) {
      const std::uint32_t c = rows_.cells(row)[i];
      if (!gone(c)) f(c, i < row.num_candidates);
    }
  }

  void make_queue(std::uint32_t node) {
    hub_[node] = static_cast<std::uint8_t>(hub_[node] | is_queued);
    for_each_contact(node, [&](std::uint32_t c, bool candidate) {
      if (candidate) enqueue(node, c);
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
    for_each_contact(node, [&](std::uint32_t c, bool) {
      const std::uint32_t far = far_end(c, node);
      if ((hub_[far] & is_hub) == 0) index_.insert(node, far, c);
    });
    hub_[node] = static_cast<std::uint8_t>(hub_[node] | is_hub);
  }

  void enqueue(std::uint32_t node, std::uint32_t c) {
    if (counts(c)) queues_.push(node, Ranked<Low>::of(contacts_[c], c));
  }

  void join(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t small = rows_[a].length < rows_[b].length ? a : b, big = small == a ? b : a;
    parents_[small] = big;
    nodes_[big].voxels += nodes_[small].voxels;
    least_[big] = std::min(least_[big], least_[small]);
    steps_ += rows_[small].length;
    if ((hub_[small] & is_queued) != 0) {
      if ((hub_[big] & is_queued) == 0) make_queue(big);
      queues_.pour(small, big);
    }
    if ((hub_[big] & is_hub) != 0)
      pour_into_hub(small, big);
    else
      pour(small, big);
    if ((hub_[big] & is_queued) == 0 && rows_[big].num_candidates > longest_row) make_queue(big);
  }

  /// Whether the candidates of `small` must be put into the queue of `big` one by one.
  bool must_enqueue(std::uint32_t small, std::uint32_t big) const {
    return (hub_[big] & ~hub_[small] & is_queued) != 0;
  }

  /// Both rows are short.
  void pour(std::uint32_t small, std::uint32_t big) {
    steps_ += rows_[big].length;
    for (const std::uint32_t node : {big, small})
      for (const std::uint32_t c : rows_.numbers(rows_[node])) __builtin_prefetch(&contacts_[c], 1);
    const bool queues = must_enqueue(small, big);
    struct Place {
      std::uint32_t far, contact;
    };
    std::array<Place, std::bit_ceil(2 * longest_row)> of_big;
    const std::uint32_t places = std::bit_ceil(rows_[big].length * 3 / 2 + 1);  // a mask is no division
    std::fill_n(of_big.begin(), places, Place{none, none});
    const auto place_of = [&](std::uint32_t far) -> Place& {
      std::uint32_t place = (far * 0x9e3779b1U >> 16) & (places - 1);
      while (of_big[place].far != none && of_big[place].far != far) place = (place + 1) & (places - 1);
      return of_big[place];
    };
    std::array<std::uint32_t, 2 * longest_row> candidates, others;
    std::uint32_t num_candidates = 0, num_others = 0;
    const auto keep = [&](std::uint32_t c, bool candidate) {
      (candidate ? candidates[num_candidates++] : others[num_others++]) = c;
    };
    for_each_contact(big, [&](std::uint32_t c, bool candidate) {
      const std::uint32_t far = far_end(c, big);
      place_of(far) = {far, c};
      keep(c, candidate);
    });
    for_each_contact(small, [&](std::uint32_t c, bool candidate) {
      if (!move_to(c, small, big, place_of(far_end(c, small)).contact)) return;
      keep(c, candidate);
      if (queues && candidate) enqueue(big, c);
    });
    ContactRow& row = rows_[big];
    ContactRow& other = rows_[small];
    if (other.capacity > row.capacity) std::swap(row, other);
    rows_.discard(other);
    row.length = 0;
    rows_.make_room(row, num_candidates + num_others);
    row.num_candidates = num_candidates;
    row.length = num_candidates + num_others;
    std::copy_n(candidates.begin(), num_candidates, rows_.cells(row));
    std::copy_n(others.begin(), num_others, rows_.cells(row) + num_candidates);
    if (row.length > longest_row) make_hub(big);
  }

  void pour_into_hub(std::uint32_t small, std::uint32_t big) {
    const bool queues = must_enqueue(small, big);
    const ContactRow from = rows_[small];
    rows_.make_room(rows_[big], rows_[big].length + from.length);
    // In groups: what each contact touches next is fetched before it is needed.
    constexpr std::uint32_t group = 32;
    for (std::uint32_t begin = 0; begin < from.length; begin += group) {
      const std::uint32_t end = std::min(begin + group, from.length);
      for (std::uint32_t i = begin; i < end; ++i) __builtin_prefetch(&contacts_[rows_.cells(from)[i]], 1);
      for (std::uint32_t i = begin; i < end; ++i) index_.prefetch(big, far_end(rows_.cells(from)[i], small));
      for (std::uint32_t i = begin; i < end; ++i) {
        const std::uint32_t c = rows_.cells(from)[i];
        if (gone(c) || !move_to(c, small, big, index_.find(big, far_end(c, small)))) continue;
        const bool candidate = i < from.num_candidates;
        rows_.put(rows_[big], c, candidate);
        if (queues && candidate) enqueue(big, c);
      }
    }
    rows_.discard(rows_[small]);
  }

  std::uint32_t far_end(std::uint32_t c, std::uint32_t near) const {
    return contacts_[c].a == near ? contacts_[c].b : contacts_[c].a;
  }

  /// Makes a contact of `small` one of `big`, which has the contact `present` with its far end, or none.
  /// False if it went into that.
  bool move_to(std::uint32_t c, std::uint32_t small, std::uint32_t big, std::uint32_t present) {
    const std::uint32_t far = far_end(c, small);
    Contact& moved = contacts_[c];
    if (is_indexed(small, far)) index_.erase(small, far, c);
    (moved.a == small ? moved.a : moved.b) = big;
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
  Progress& progress_;
  SpillVector<std::uint32_t>& parents_;
  SpillVector<std::uint32_t> least_;  // of each segment: its node of the least name
  SpillVector<std::uint32_t> best_;   // of each node: its best contact, none, or unknown
  ContactRows rows_;
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
      kept.push_back({linkage.name(i), i, 0});
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.name < b.name; });
  auto number = context.array<std::uint32_t>();
  number.resize(count);
  rest.nodes.reserve(kept.size());
  for (const Kept& k : kept) {
    number[k.node] = static_cast<std::uint32_t>(rest.nodes.size());
    rest.nodes.push_back(graph.nodes[k.node]);
    rest.nodes.back().name = k.name;
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
  Progress progress = unjoined(graph.nodes, context);
  join_in_rounds(graph, rule, context, progress);
  Linkage<Low> linkage{graph, rule, context, progress};
  linkage.run();
  Outcome outcome{context.array<Fate>(), rest_of(graph, linkage, context), 0};
  graph.contacts = {};
  for (std::uint32_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].known == 0) continue;
    const std::uint32_t root = linkage.root(i);
    outcome.fates.push_back({graph.nodes[i].name, linkage.name(root), linkage.frozen(root) ? 0U : 1U});
  }
  outcome.steps = progress.steps + linkage.steps();
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
