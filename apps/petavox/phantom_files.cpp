#include "apps/petavox/phantom_files.hpp"

#include "petavox/geometry/tiling.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include <fmt/format.h>

namespace petavox::app {
namespace {

void replace(const OutputRoot& root, const char* name, const std::string& text) {
  root.atomically_replace(name, bytes_of(text));
}

std::size_t write_synapses(const Phantom& phantom, const Tiling& blocks, const OutputRoot& root) {
  std::string text = "id,pre,post,z,y,x,diameter_nm\n";
  std::size_t count = 0;
  for (Index i = 0; i < blocks.count(); ++i)
    for (const PhantomSynapse& s : phantom.synapses(blocks.core(i))) {
      fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{},{:.1f}\n", s.id, s.pre, s.post,
                     s.position.z, s.position.y, s.position.x, s.diameter_nm);
      ++count;
    }
  replace(root, "synapses.csv", text);
  return count;
}

/// Nodes of one label in an order in which each parent comes before its children.
std::vector<std::size_t> parents_first(std::span<const PhantomNode> nodes) {
  std::unordered_map<std::uint64_t, std::size_t> place;
  for (std::size_t i = 0; i < nodes.size(); ++i) place.emplace(nodes[i].id, i);
  std::vector<char> done(nodes.size(), 0);
  std::vector<std::size_t> order, path;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    // Up to the first ancestor that is listed already, then down again.
    std::size_t at = i;
    path.clear();
    while (done[at] == 0) {
      done[at] = 1;
      path.push_back(at);
      const auto parent = place.find(nodes[at].parent);
      if (parent == place.end()) break;
      at = parent->second;
    }
    order.insert(order.end(), path.rbegin(), path.rend());
  }
  return order;
}

void append_neurite(std::string& text, std::span<const PhantomNode> nodes, const VoxelSizeNm& size,
                    std::size_t& next) {
  fmt::format_to(std::back_inserter(text), "# label {}\n", nodes.front().label);
  std::unordered_map<std::uint64_t, std::size_t> number;
  for (const std::size_t i : parents_first(nodes)) {
    const PhantomNode& n = nodes[i];
    const auto parent = number.find(n.parent);
    number.emplace(n.id, next);
    fmt::format_to(std::back_inserter(text), "{} {} {:.1f} {:.1f} {:.1f} {:.1f} {}\n", next, n.soma ? 1 : 0,
                   n.position[2] * size[2], n.position[1] * size[1], n.position[0] * size[0], n.radius_nm,
                   parent == number.end() ? std::string{"-1"} : std::to_string(parent->second));
    ++next;
  }
}

void write_skeletons(const Phantom& phantom, const Tiling& blocks, const OutputRoot& root,
                     TruthFiles& files) {
  std::vector<PhantomNode> nodes;
  for (Index i = 0; i < blocks.count(); ++i) {
    auto some = phantom.skeleton(blocks.core(i));
    nodes.insert(nodes.end(), some.begin(), some.end());
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const auto& a, const auto& b) { return std::tie(a.label, a.id) < std::tie(b.label, b.id); });
  std::string text =
      "# Centre lines of a phantom, in nanometres: id, type (1 soma, 0 other), x, y, z, radius, parent.\n"
      "# One tree, or several where the volume cuts it, for each label of /labels.\n";
  std::size_t next = 1;
  for (std::size_t first = 0; first < nodes.size();) {
    std::size_t end = first;
    while (end < nodes.size() && nodes[end].label == nodes[first].label) ++end;
    append_neurite(text, std::span{nodes}.subspan(first, end - first), phantom.spec().voxel_size_nm, next);
    ++files.num_neurites;
    first = end;
  }
  files.num_nodes = nodes.size();
  replace(root, "skeletons.swc", text);
}

}  // namespace

TruthFiles write_truth(const Phantom& phantom, const OutputRoot& root) {
  // Large blocks: what lies round a block is looked at, too.
  const Tiling blocks{phantom.domain(), Extent::cube(512)};
  TruthFiles files;
  files.num_synapses = write_synapses(phantom, blocks, root);
  write_skeletons(phantom, blocks, root, files);
  return files;
}

}  // namespace petavox::app
