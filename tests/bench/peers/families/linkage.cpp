// Region graph, mean-affinity linkage, and the way from affinities to segments.

#include "em_like.hpp"
#include "ours.hpp"
#include "segment_chain.hpp"

namespace petavox::bench {
namespace {

agglomerate::Billionths threshold_of(const Request& request) {
  return agglomerate::billionths(request.number("threshold", 0.5));
}

Array segments_of(const Array& affinities, const Request& request) {
  const Box& domain = affinities.box();
  LabelArray labels{Array{DType::u32, domain}, {}};
  watershed::fragments_of(
      affinities, std::nullopt,
      watershed::thresholds_of(request.number("low", 0.1), request.number("high", 0.98), affinities.dtype()),
      labels);
  if (const double min_size = request.number("min_size", 600); min_size > 1) {
    rename(labels, small_merged(graph_of(labels, affinities), static_cast<std::uint64_t>(min_size), domain));
    renumber(labels);
  }
  rename(labels, assignments_of(linked(graph_of(labels, affinities), threshold_of(request), domain)));
  return expanded(labels);
}

}  // namespace

void add_linkage(Kernels& kernels) {
  kernels["em_like_affinities"] = [](const Request& request) -> Kernel {
    const auto edge = static_cast<Index>(request.number("edge", 256));
    return [edge] { return EmLike::affinities(Box::from({0, 0, 0}, Extent::cube(edge))); };
  };
  // Affinities and ids of fragments -> rows u, v, sum, count, key.
  kernels["region_graph"] = [](const Request& request) -> Kernel {
    const auto labels = std::make_shared<const LabelArray>(named(request.inputs.at(1)));
    return [&affinities = request.inputs.at(0), labels] {
      const Graph graph = graph_of(*labels, affinities);
      Array rows{DType::u64, Box{{0, 0, 0}, {1, static_cast<Index>(graph.edges.size()), 5}}};
      auto out = rows.view<std::uint64_t>().channel().begin();
      for (const region_graph::Edge& e : graph.edges)
        for (const std::uint64_t value : {e.u, e.v, e.sum, e.count, e.key}) *out++ = value;
      return rows;
    };
  };
  // Affinities and ids of fragments -> the segment of each fragment, in the order of ids.
  kernels["linkage"] = [](const Request& request) -> Kernel {
    const LabelArray labels = named(request.inputs.at(1));
    return [graph = graph_of(labels, request.inputs.at(0)), threshold = threshold_of(request),
            domain = labels.ids.box()] {
      const agglomerate::Outcome outcome = linked(graph, threshold, domain);
      Array table{DType::u64, Box{{0, 0, 0}, {1, 1, static_cast<Index>(outcome.fates.size())}}};
      std::ranges::transform(outcome.fates.span(), table.view<std::uint64_t>().channel().begin(),
                             &agglomerate::Fate::to);
      return table;
    };
  };
  // Affinities -> names of segments.
  kernels["segments"] = [](const Request& request) -> Kernel {
    return [&request] { return segments_of(request.inputs.at(0), request); };
  };
}

}  // namespace petavox::bench
