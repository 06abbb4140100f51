#pragma once
// The stages from affinities to segments on one block, as plain calls: for benchmarks.

#include "stages/agglomerate/linkage.hpp"
#include "stages/size_merge/size_merge.hpp"
#include "stages/watershed/kernel.hpp"

#include <ranges>

namespace petavox::bench {

struct Graph {
  std::vector<region_graph::Edge> edges;
  std::vector<region_graph::Node> nodes;
};

inline Graph graph_of(const LabelArray& labels, const Array& affinities) {
  const Box& domain = affinities.box();
  region_graph::Builder builder{labels, domain, domain};
  builder.add(affinities);
  return {builder.edges(), builder.nodes()};
}

/// The root of a tree of one box, with more memory than it needs.
inline ReductionContext whole(const Box& domain) {
  return ReductionContext{NodeContext{domain, domain, {1, 1, 1}, std::size_t{1} << 40}};
}

inline agglomerate::Outcome linked(const Graph& graph, agglomerate::Billionths threshold, const Box& domain) {
  const ReductionContext context = whole(domain);
  agglomerate::MergeRule rule;
  rule.threshold = threshold;
  return agglomerate::link(agglomerate::graph_of_block(graph.edges, graph.nodes, context), rule, context);
}

/// What becomes of the names of small supervoxels.
inline std::vector<NameAssignment> small_merged(const Graph& graph, std::uint64_t min_voxels,
                                                const Box& domain) {
  const ReductionContext context = whole(domain);
  size_merge::State state =
      size_merge::state_of_block(agglomerate::graph_of_block(graph.edges, graph.nodes, context), context);
  NameChanges changes{context.pool};
  size_merge::settle(state, {min_voxels, 0}, context, true, changes);
  return changes.assignments(std::span<const Name>{});
}

/// Ids as `watershed` numbers them, with the names that they stand for.
inline LabelArray named(const Array& ids) {
  LabelArray labels{ids.clone(), {}};
  Name voxel = 0;
  for (const std::uint32_t id : ids.view<std::uint32_t>().channel()) {
    ++voxel;
    if (id > labels.names.size()) labels.names.push_back(voxel);
  }
  return labels;
}

/// Replaces names (which ascend) by what is assigned to them.
inline void rename(LabelArray& labels, const std::vector<NameAssignment>& assignments) {
  auto next = assignments.begin();
  for (Name& name : labels.names) {
    while (next != assignments.end() && next->name < name) ++next;
    if (next != assignments.end() && next->name == name) name = next->to;
  }
}

/// Ids numbered anew so that each name has one; names ascend.
inline void renumber(LabelArray& labels) {
  std::vector<Name> names = labels.names;
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<std::uint32_t> ids(labels.names.size() + 1);
  for (std::size_t i = 0; i < labels.names.size(); ++i)
    ids[i + 1] =
        1 + static_cast<std::uint32_t>(std::ranges::lower_bound(names, labels.names[i]) - names.begin());
  for (std::uint32_t& id : labels.ids.view<std::uint32_t>().channel()) id = ids[id];
  labels.names = std::move(names);
}

inline std::vector<NameAssignment> assignments_of(const agglomerate::Outcome& outcome) {
  std::vector<NameAssignment> assignments;
  for (const agglomerate::Fate& fate : outcome.fates) assignments.push_back({fate.name, fate.to, 1});
  return assignments;
}

}  // namespace petavox::bench
