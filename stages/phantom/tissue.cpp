#include "stages/phantom/tissue.hpp"

#include <algorithm>

namespace petavox::phantom {

namespace {
// Purposes of random words.
enum : int {
  word_rod,
  word_slot,
  word_cut,
  word_place,
  word_radius,
  word_chain,
  word_looks,
  word_synapse,
  word_inner_synapse
};

constexpr Int forced_cut = 16;  // the most nodes of a chain with ends

Int modulo(Int a, Int b) { return ((a % b) + b) % b; }
}  // namespace

Tissue::Tissue(const PhantomSpec& spec)
    : spec_{spec}, seed_{hash_of(spec.seed, 0x70657461)}, organs_{seed_}, deformation_{seed_, organs_} {
  Vec far{};
  for (std::size_t a = 0; a < 3; ++a) {
    voxel_units_[a] = spec.voxel_size_nm[a] / unit_nm;
    far[a] = voxel_units_[a] * static_cast<double>(spec.shape[static_cast<int>(a)]);
  }
  const double jitter = spec.section_jitter_nm / unit_nm;
  const auto [low, high] = deformation_.bounds({0, -jitter, -jitter}, far + Vec{0, jitter, jitter});
  // Room for what is asked about beyond the domain: chains that begin outside, crossing rods, a tile.
  const double margin = 2 * forced_cut * node_spacing + 200;
  for (std::size_t a = 0; a < 3; ++a) {
    low_[a] = static_cast<Int>(std::floor((low[a] - margin) / node_spacing));
    num_nodes_[a] = static_cast<std::uint64_t>(std::ceil((high[a] + margin) / node_spacing)) -
                    static_cast<std::uint64_t>(low_[a]);
  }
}

Vec Tissue::middle(const Coord& voxel) const {
  Vec p{};
  for (std::size_t a = 0; a < 3; ++a)
    p[a] = (static_cast<double>(voxel[static_cast<int>(a)]) + 0.5) * voxel_units_[a];
  return p;
}

std::array<double, 2> Tissue::jitter(Index section) const {
  if (spec_.section_jitter_nm == 0) return {0, 0};
  const std::uint64_t h = hash_of(seed_, 0x6a69, section);
  const double reach = spec_.section_jitter_nm / unit_nm;
  return {reach * signed_unit(h, 0), reach * signed_unit(h, 1)};
}

std::uint64_t Tissue::word(const Node& n, int purpose) const {
  return hash_of(seed_, purpose, n.rod.axis, n.rod.i, n.rod.j, n.slot, n.m);
}

bool Tissue::has_slot(const Rod& rod, int slot) const {
  if (slot == 0) return true;
  if (organs_.trunk_on(rod)) return false;
  const std::uint64_t h = hash_of(seed_, word_rod, rod.axis, rod.i, rod.j);
  const double crowd = unit(h, 0);
  if (crowd < 0.3) return false;                                     // one thick process alone
  if (crowd < 0.55) return (slot % 2 == static_cast<int>(h >> 63));  // three side by side
  return unit(hash_of(h, slot)) < 0.92;
}

bool Tissue::has_node(const Node& n) const {
  if (n.slot == 0) return true;
  if (!has_slot(n.rod, n.slot)) return false;
  const auto soma = organs_.soma_on(n.rod, n.m);
  return !(soma && n.m >= soma->node - 1 && n.m <= soma->node + 1);
}

bool Tissue::has_segment(const Node& n) const {
  if (n.slot == 0) return true;
  const Node next{n.rod, n.slot, n.m + 1};
  if (!has_node(n) || !has_node(next)) return false;
  const std::uint64_t h = hash_of(seed_, word_slot, n.rod.axis, n.rod.i, n.rod.j, n.slot);
  if (modulo(n.m, forced_cut) == static_cast<Int>(h % forced_cut)) return false;
  return unit(word(n, word_cut)) > 0.07;
}

Chain Tissue::chain_of(const Node& n) const {
  Chain chain{n.rod, n.slot, true, 0, 0};
  if (n.slot == 0) return chain;
  chain.endless = false;
  chain.first = chain.last = n.m;
  while (has_segment({n.rod, n.slot, chain.first - 1})) --chain.first;
  while (has_segment({n.rod, n.slot, chain.last})) ++chain.last;
  return chain;
}

ChainKind Tissue::kind_of(const Rod& rod, int slot) const {
  if (slot >= rod_sheath) return ChainKind::sheath;
  if (slot != 0) return ChainKind::neurite;
  if (const auto trunk = organs_.trunk_on(rod))
    return trunk->kind == TrunkKind::vessel     ? ChainKind::vessel
           : trunk->kind == TrunkKind::dendrite ? ChainKind::dendrite
                                                : ChainKind::axon_with_myelin;
  return ChainKind::neurite;
}

bool Tissue::link_possible(const Node& n) const {
  const ChainKind kind = kind_of(n.rod, n.slot);
  return (kind == ChainKind::neurite || kind == ChainKind::dendrite) && has_node(n);
}

Node Tissue::facing(const Rod& rod, int slot, Int m) const {
  const Node node{rod, slot, m};
  return has_node(node) ? node : Node{rod, 0, m};
}

Node Tissue::across(const Rod& rod, int slot, Int m) const {
  const int b = (rod.axis + 1) % 3, c = (rod.axis + 2) % 3;
  switch (slot) {
    case 1:
      return facing({c, m / 2, rod.i}, 4, 2 * rod.j + 1);
    case 3:
      return facing({c, m / 2, rod.i - 1}, 2, 2 * rod.j + 1);
    case 2:
      return facing({b, rod.j + 1, (m - 1) / 2}, 3, 2 * rod.i);
    default:
      return facing({b, rod.j, (m - 1) / 2}, 1, 2 * rod.i);
  }
}

std::optional<Link> Tissue::link_of(const Chain& chain) const {
  if (chain.endless || chain.slot == 0 || chain.slot >= rod_sheath) return std::nullopt;
  const std::uint64_t h = word({chain.rod, chain.slot, chain.first}, word_chain);
  const double choice = unit(h, 0);
  if (choice < 0.12) return std::nullopt;
  const bool at_end = (h >> 63) != 0;
  const auto branch_of = [&](const Rod& rod, int slot, Int first) {
    // True if that chain is not itself a branch across, so that no ring and no long walk can arise.
    return unit(word({rod, slot, first}, word_chain), 0) < 0.55;
  };
  if (choice >= 0.55) {
    Int m = at_end ? chain.last : chain.first;
    if (!crosses(chain.slot, m)) m += at_end ? -1 : 1;
    if (m >= chain.first && m <= chain.last) {
      const Node other = across(chain.rod, chain.slot, m);
      if (link_possible(other)) {
        const Chain there = chain_of(other);
        if (there.slot == 0 || branch_of(there.rod, there.slot, there.first))
          return Link{{chain.rod, chain.slot, m}, other};
      }
    }
  }
  const Node own{chain.rod, chain.slot, at_end ? chain.last : chain.first};
  return Link{own, {chain.rod, 0, own.m}};
}

std::uint64_t Tissue::own_label(const Chain& chain) const {
  return number(
      {chain.rod, chain.slot, chain.endless ? low_[static_cast<std::size_t>(chain.rod.axis)] : chain.first});
}

std::uint64_t Tissue::looks(const Chain& trunk) const {
  return word({trunk.rod, trunk.slot, trunk.endless ? 0 : trunk.first}, word_looks);
}

std::uint64_t Tissue::number(const Node& node) const {
  const std::size_t a = static_cast<std::size_t>(node.rod.axis), b = axis_b(node.rod), c = axis_c(node.rod);
  // The place of the node in units of the node spacing, as one number.
  const std::array<Int, 3> place{node.m, 2 * node.rod.i, 2 * node.rod.j + 1};
  std::uint64_t number = a;
  number = number * num_nodes_[b] + static_cast<std::uint64_t>(place[1] - low_[b]);
  number = number * num_nodes_[c] + static_cast<std::uint64_t>(place[2] - low_[c]);
  number = number * num_slots + static_cast<std::uint64_t>(node.slot);
  return number * num_nodes_[a] + static_cast<std::uint64_t>(place[0] - low_[a]) + 1;
}

Chain Tissue::trunk_of(const Chain& chain) const {
  Chain at = chain;
  while (const auto link = link_of(at)) at = chain_of(link->other);
  return at;
}

Vec Tissue::position(const Node& n) const {
  Vec p = rod_point(n.rod, node_spacing * static_cast<double>(n.m));
  if (organs_.trunk_on(n.rod)) return p;
  const auto soma = n.slot == 0 ? organs_.soma_on(n.rod, n.m) : std::nullopt;
  if (soma && soma->node == n.m) return p;
  const std::uint64_t h = word(n, word_place);
  Vec off{};
  const auto a = static_cast<std::size_t>(n.rod.axis);
  off[a] = 4 * signed_unit(h, 0);
  const double wander = n.slot == 0 ? 4 : 3.5;
  off[axis_b(n.rod)] = wander * signed_unit(h, 1);
  off[axis_c(n.rod)] = wander * signed_unit(h, 2);
  if (n.slot != 0) {
    const std::size_t direction = n.slot % 2 == 1 ? axis_b(n.rod) : axis_c(n.rod);
    const double out = 10.5 + 1.5 * signed_unit(h, 3);
    off[direction] = n.slot <= 2 ? out : -out;
  }
  return p + off;
}

double Tissue::radius(const Node& n) const {
  if (const auto trunk = organs_.trunk_on(n.rod)) return trunk->thin;
  const std::uint64_t rod = hash_of(seed_, word_rod, n.rod.axis, n.rod.i, n.rod.j);
  const std::uint64_t h = word(n, word_radius);
  const double crowd = unit(rod, 0);
  if (n.slot == 0) {
    const double calibre = crowd < 0.3 ? 9 + 6 * unit(rod, 1) : 4.5 + 2.5 * unit(rod, 1);
    return calibre + 1.5 * signed_unit(h, 0);
  }
  const std::uint64_t slot = hash_of(seed_, word_slot, n.rod.axis, n.rod.i, n.rod.j, n.slot);
  return 3.2 + 2.6 * unit(slot, 1) + 1.2 * unit(h, 0);
}

std::optional<Tissue::Contact> Tissue::contact(const Rod& rod, int slot, Int m, bool is_across) const {
  const Node here = is_across ? facing(rod, slot, m) : Node{rod, slot, m};
  const std::uint64_t h = word({rod, slot, m}, is_across ? word_synapse : word_inner_synapse);
  if (unit(h, 0) > (is_across ? 0.12 : 0.03)) return std::nullopt;
  const Node there = is_across ? across(rod, slot, m) : Node{rod, 0, m};
  if (!link_possible(here) || !link_possible(there)) return std::nullopt;
  const auto soma_between = [&](const Node& n) {
    const auto soma = organs_.soma_on(n.rod, n.m);
    return soma && n.m >= soma->node - 1 && n.m <= soma->node + 1;
  };
  if (soma_between(here) || soma_between(there)) return std::nullopt;
  if (label_of(chain_of(here)) == label_of(chain_of(there))) return std::nullopt;
  Contact contact;
  // Dendritic trunks receive; elsewhere either side may speak.
  const bool forward = kind_of(there.rod, there.slot) == ChainKind::dendrite ||
                       (kind_of(here.rod, here.slot) != ChainKind::dendrite && (h >> 63) != 0);
  contact.pre = forward ? here : there;
  contact.post = forward ? there : here;
  const Vec a = position(contact.pre), b = position(contact.post);
  const double d = length(b - a);
  contact.towards_post = (b - a) * (1 / d);
  const double reach = (d + radius(contact.pre) - radius(contact.post)) / 2;
  contact.position = a + contact.towards_post * std::clamp(reach, 0.1 * d, 0.9 * d);
  contact.radius = 7 + 6 * unit(h, 1);
  contact.id = 2 * number({rod, slot, m}) + (is_across ? 1 : 0);
  return contact;
}

}  // namespace petavox::phantom
