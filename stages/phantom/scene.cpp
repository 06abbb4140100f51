#include "stages/phantom/scene.hpp"

#include <algorithm>

namespace petavox::phantom {

namespace {

class Collector {
 public:
  Collector(Scene& scene, const Tissue& tissue, const Vec& low, const Vec& high)
      : scene_{scene}, tissue_{tissue}, low_{low}, high_{high} {}

  void run() {
    for_each_rod(low_, high_, scene_margin + 16, [&](const Rod& rod) { add_rod(rod); });
    for (const Piece& piece : pieces_)
      if (const auto link = tissue_.link_of(piece.chain)) add_bridge(*link);
    for_each_rod(low_, high_, patch_margin, [&](const Rod& rod) { add_patches(rod); });
  }

 private:
  static constexpr double patch_margin = 40;

  struct Piece {
    Chain chain;
    int actor;
  };

  Int first_node(const Rod& rod) const {
    return static_cast<Int>(std::floor((low_[axis(rod)] - scene_margin - 4) / node_spacing));
  }
  Int last_node(const Rod& rod) const {
    return static_cast<Int>(std::ceil((high_[axis(rod)] + scene_margin + 4) / node_spacing));
  }
  static std::size_t axis(const Rod& rod) { return static_cast<std::size_t>(rod.axis); }

  int add_actor(std::uint64_t label, ChainKind kind, std::uint64_t looks) {
    Actor actor;
    actor.label = label;
    actor.kind = kind;
    actor.grey = static_cast<float>(159 + 15 * bell(looks));
    actor.texture = static_cast<float>(0.6 + 0.8 * unit(mix64(looks + 1)));
    if (kind == ChainKind::dendrite) {
      actor.grey = static_cast<float>(174 + 5 * bell(looks));
      actor.texture = 1.4F;
    }
    if (kind == ChainKind::sheath) actor.grey = static_cast<float>(112 + 5 * bell(looks));
    scene_.actors.push_back(actor);
    return static_cast<int>(scene_.actors.size()) - 1;
  }

  int add_sheath(const Chain& chain) {
    return add_actor(tissue_.own_label(chain), ChainKind::sheath, tissue_.looks(chain));
  }

  void add_rod(const Rod& rod) {
    for (int slot = 0; slot <= 4; ++slot) {
      if (!tissue_.has_slot(rod, slot)) continue;
      Int m = first_node(rod);
      const Int end = last_node(rod);
      while (m <= end) {
        if (!tissue_.has_node({rod, slot, m})) {
          ++m;
          continue;
        }
        const Chain chain = tissue_.chain_of({rod, slot, m});
        const Int last = chain.endless ? end : std::min(end, chain.last);
        add_chain(chain, m, last);
        m = last + 1;
      }
    }
  }

  void add_chain(const Chain& chain, Int first, Int last) {
    const Rod& rod = chain.rod;
    const ChainKind kind = tissue_.kind_of(rod, chain.slot);
    const Chain trunk = tissue_.trunk_of(chain);
    const int actor = add_actor(tissue_.own_label(trunk), kind, tissue_.looks(trunk));
    pieces_.push_back({chain, actor});
    Node node{rod, chain.slot, first};
    Vec from = tissue_.position(node);
    double radius = tissue_.radius(node);
    if (first == last) scene_.tubes.push_back({from, from, radius, radius, 0, actor, actor});
    for (; node.m < last; ++node.m) {
      const Node next{rod, chain.slot, node.m + 1};
      const Vec to = tissue_.position(next);
      const double next_radius = tissue_.radius(next);
      scene_.tubes.push_back({from, to, radius, next_radius, 0, actor, actor});
      if (kind == ChainKind::neurite) add_mitochondrion(node, from, to, std::min(radius, next_radius), actor);
      from = to;
      radius = next_radius;
    }
    if (kind == ChainKind::vessel) {
      const int sheath = add_sheath({rod, rod_sheath, true, 0, 0});
      const Vec a = tissue_.position({rod, 0, first}), b = tissue_.position({rod, 0, last});
      scene_.tubes.push_back({a, b, radius + 3, radius + 3, 3, sheath, sheath});
    }
    if (chain.slot == 0) add_soma(rod, first, last, actor);
  }

  void add_soma(const Rod& rod, Int first, Int last, int actor) {
    // Nodes of a cube of rods share their soma: ask once a cube.
    std::optional<Soma> seen;
    for (Int m = first; m <= last; ++m) {
      const auto soma = tissue_.organs().soma_on(rod, m);
      if (!soma || (seen && seen->node == soma->node)) continue;
      seen = soma;
      const Vec center = soma->center();
      scene_.actors[static_cast<std::size_t>(actor)].has_soma = true;
      scene_.tubes.push_back({center, center, soma->thin, soma->thin, 0, actor, actor});
      const int sheath = add_sheath({rod, soma_sheath, false, soma->node, soma->node});
      scene_.tubes.push_back({center, center, soma->thin + 3, soma->thin + 3, 3, sheath, sheath});
    }
  }

  void add_mitochondrion(const Node& node, const Vec& a, const Vec& b, double radius, int actor) {
    // Runs of two pieces, so that long ones arise.
    const Node run{node.rod, node.slot, node.m >> 1};
    const std::uint64_t h = tissue_.word(run, 100);
    const double chance = radius > 6 ? 0.55 : radius > 4 ? 0.34 : 0.12;
    if (unit(h, 0) > chance) return;
    const bool second = (node.m & 1) != 0;
    const double length = unit(h, 1);  // share of the run
    if (second && length < 0.55) return;
    Mitochondrion mito;
    mito.a = second ? a : between(a, b, 0.15);
    mito.b =
        second ? between(a, b, 0.9 * unit(h, 2)) : between(a, b, length < 0.55 ? 0.5 + 0.9 * length : 1.0);
    mito.radius = radius * (0.9 + 0.6 * unit(h, 3)) + 2;
    mito.actor = actor;
    mito.word = h;
    scene_.mitochondria.push_back(mito);
  }

  int actor_of(const Node& node) const {
    for (const Piece& p : pieces_)
      if (p.chain.rod == node.rod && p.chain.slot == node.slot &&
          (p.chain.endless || (p.chain.first <= node.m && node.m <= p.chain.last)))
        return p.actor;
    return -1;
  }

  void add_bridge(const Link& link) {
    const Vec a = tissue_.position(link.own), b = tissue_.position(link.other);
    for (std::size_t n = 0; n < 3; ++n)
      if (std::max(a[n], b[n]) < low_[n] - scene_margin || std::min(a[n], b[n]) > high_[n] + scene_margin)
        return;
    const int own = actor_of(link.own), other = actor_of(link.other);
    if (own < 0 || other < 0) return;
    const double radius = std::min(tissue_.radius(link.own), tissue_.radius(link.other)) * 0.9;
    scene_.tubes.push_back({a, b, radius, radius, 0, own, other});
  }

  void add_patches(const Rod& rod) {
    const Int first = static_cast<Int>(std::floor((low_[axis(rod)] - patch_margin) / node_spacing));
    const Int last = static_cast<Int>(std::ceil((high_[axis(rod)] + patch_margin) / node_spacing));
    for (Int m = first; m <= last; ++m) {
      for (int slot = 1; slot <= 2; ++slot)
        if (Tissue::crosses(slot, m)) add_patch(tissue_.contact(rod, slot, m, true));
      for (int slot = 1; slot <= 4; ++slot)
        if (tissue_.has_slot(rod, slot)) add_patch(tissue_.contact(rod, slot, m, false));
    }
  }

  void add_patch(const std::optional<Tissue::Contact>& contact) {
    if (!contact) return;
    for (std::size_t n = 0; n < 3; ++n)
      if (contact->position[n] < low_[n] - patch_margin || contact->position[n] > high_[n] + patch_margin)
        return;
    Patch patch;
    patch.position = contact->position;
    patch.towards_post = contact->towards_post;
    patch.radius = contact->radius;
    patch.pre = actor_of(contact->pre);
    patch.post = actor_of(contact->post);
    scene_.patches.push_back(patch);
  }

  Scene& scene_;
  const Tissue& tissue_;
  Vec low_, high_;
  std::vector<Piece> pieces_;
};

}  // namespace

void Scene::collect(const Tissue& tissue, const Vec& low, const Vec& high) {
  actors.clear();
  tubes.clear();
  mitochondria.clear();
  patches.clear();
  Collector{*this, tissue, low, high}.run();
}

}  // namespace petavox::phantom
