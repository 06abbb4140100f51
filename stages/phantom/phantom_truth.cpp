#include "stages/phantom/phantom.hpp"
#include "stages/phantom/tissue.hpp"

#include <algorithm>
#include <tuple>

namespace petavox {

using phantom::Int;
using phantom::Node;
using phantom::Rod;
using phantom::Tissue;
using phantom::Vec;
using phantom::operator+;
using phantom::operator-;

namespace {

/// Position in voxels of a point of lattice space; sections shift it in y and x.
Vec voxel_position(const Tissue& tissue, const Vec& lattice) {
  Vec p = tissue.deformation().to_tissue(lattice);
  const Vec& size = tissue.voxel_units();
  const auto section = static_cast<Index>(std::floor(p[0] / size[0]));
  const auto shift = tissue.jitter(section);
  return {p[0] / size[0], (p[1] - shift[0]) / size[1], (p[2] - shift[1]) / size[2]};
}

Coord voxel_of(const Vec& p) {
  return {static_cast<Index>(std::floor(p[0])), static_cast<Index>(std::floor(p[1])),
          static_cast<Index>(std::floor(p[2]))};
}

/// A box of lattice space that holds whatever can be seen in `box`.
std::pair<Vec, Vec> lattice_bounds(const Tissue& tissue, const Box& box) {
  const double jitter = tissue.spec().section_jitter_nm / phantom::unit_nm;
  return tissue.deformation().bounds(tissue.middle(box.begin) - Vec{8, jitter + 8, jitter + 8},
                                     tissue.middle(box.end) + Vec{8, jitter + 8, jitter + 8});
}

Int first_node(double low) { return static_cast<Int>(std::ceil(low / phantom::node_spacing)); }
Int last_node(double high) { return static_cast<Int>(std::floor(high / phantom::node_spacing)); }

}  // namespace

std::vector<PhantomSynapse> Phantom::synapses(const Box& box) const {
  std::vector<PhantomSynapse> found;
  const auto [low, high] = lattice_bounds(*tissue_, box);
  const auto add = [&](const std::optional<Tissue::Contact>& contact) {
    if (!contact) return;
    const Coord at = voxel_of(voxel_position(*tissue_, contact->position));
    if (!box.contains(at)) return;
    PhantomSynapse synapse;
    synapse.id = contact->id;
    synapse.pre = tissue_->label_of(tissue_->chain_of(contact->pre));
    synapse.post = tissue_->label_of(tissue_->chain_of(contact->post));
    synapse.position = at;
    synapse.diameter_nm = 2 * contact->radius * phantom::unit_nm;
    found.push_back(synapse);
  };
  phantom::for_each_rod(low, high, 0, [&](const Rod& rod) {
    const auto axis = static_cast<std::size_t>(rod.axis);
    for (Int m = first_node(low[axis]); m <= last_node(high[axis]); ++m) {
      for (int slot = 1; slot <= 2; ++slot)
        if (Tissue::crosses(slot, m)) add(tissue_->contact(rod, slot, m, true));
      for (int slot = 1; slot <= 4; ++slot)
        if (tissue_->has_slot(rod, slot)) add(tissue_->contact(rod, slot, m, false));
    }
  });
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.position, a.id) < std::tie(b.position, b.id);
  });
  return found;
}

std::vector<PhantomNode> Phantom::skeleton(const Box& box) const {
  std::vector<PhantomNode> found;
  const auto [low, high] = lattice_bounds(*tissue_, box);
  const Box whole = domain();
  const auto inside_domain = [&](const Node& node) {
    return whole.contains(voxel_of(voxel_position(*tissue_, tissue_->position(node))));
  };
  const auto parent_of = [&](const Node& node, const phantom::Chain& chain,
                             const std::optional<phantom::Link>& link) -> std::optional<Node> {
    if (chain.endless) return Node{node.rod, node.slot, node.m - 1};
    const Int root = link ? link->own.m : chain.first;
    if (node.m != root) return Node{node.rod, node.slot, node.m + (node.m > root ? -1 : 1)};
    if (link) return link->other;
    return std::nullopt;
  };
  phantom::for_each_rod(low, high, 0, [&](const Rod& rod) {
    const auto axis = static_cast<std::size_t>(rod.axis);
    for (int slot = 0; slot <= 4; ++slot) {
      if (!tissue_->has_slot(rod, slot)) continue;
      for (Int m = first_node(low[axis]); m <= last_node(high[axis]); ++m) {
        const Node node{rod, slot, m};
        if (!tissue_->has_node(node)) continue;
        const Vec at = voxel_position(*tissue_, tissue_->position(node));
        if (!box.contains(voxel_of(at))) continue;
        const auto chain = tissue_->chain_of(node);
        const auto link = tissue_->link_of(chain);
        PhantomNode out;
        out.id = tissue_->number(node);
        out.label = tissue_->label_of(chain);
        out.position = at;
        out.radius_nm = tissue_->radius(node) * phantom::unit_nm;
        const auto parent = parent_of(node, chain, link);
        if (parent && inside_domain(*parent)) out.parent = tissue_->number(*parent);
        if (const auto trunk = tissue_->organs().trunk_on(rod))
          out.radius_nm = trunk->thick * phantom::unit_nm;
        const auto soma = slot == 0 ? tissue_->organs().soma_on(rod, m) : std::nullopt;
        if (soma && soma->node == m) {
          out.soma = true;
          out.radius_nm = soma->thick * phantom::unit_nm;
        }
        found.push_back(out);
      }
    }
  });
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return std::tie(a.label, a.id) < std::tie(b.label, b.id); });
  return found;
}

}  // namespace petavox
