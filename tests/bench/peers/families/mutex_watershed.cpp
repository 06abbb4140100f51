// mutex_watershed: affinities of 3 channels in, labels out; long_range is done before the clock starts.
// Options: offsets ("dz,dy,dx/dz,dy,dx/…"), stride (of all axes). The extra memory of the kernel itself is
// printed once.

#include "stages/long_range/kernel.hpp"
#include "stages/mutex_watershed/kernel.hpp"

#include "ours.hpp"

#include <cstdio>
#include <memory>
#include <sstream>

namespace petavox::bench {
namespace {

mutex_watershed::Graph graph_of(const Request& request) {
  mutex_watershed::Graph graph;
  std::istringstream list{request.options.at("offsets")};
  for (std::string text; std::getline(list, text, '/');) {
    Extent offset;
    std::sscanf(text.c_str(), "%ld,%ld,%ld", &offset.z, &offset.y, &offset.x);
    graph.offsets.push_back(offset);
  }
  graph.strides = Extent::cube(static_cast<Index>(request.number("stride", 1)));
  return graph;
}

std::shared_ptr<Array> long_range_of(const Request& request, const mutex_watershed::Graph& graph) {
  const Array& affinities = request.inputs.at(0);
  auto all = std::make_shared<Array>(DType::u8, affinities.box(), static_cast<int>(graph.offsets.size()));
  long_range::fill(affinities, graph.offsets, *all);
  return all;
}

}  // namespace

void add_mutex_watershed(Kernels& kernels) {
  kernels["long_range"] = [](const Request& request) -> Kernel {
    return [&request] { return std::move(*long_range_of(request, graph_of(request))); };
  };
  kernels["mutex_watershed"] = [](const Request& request) -> Kernel {
    const auto graph = graph_of(request);
    return [graph, affinities = long_range_of(request, graph)] {
      LabelArray labels{Array{DType::u32, affinities->box()}, {}};
      mutex_watershed::Work work;
      mutex_watershed::segment(*affinities, std::nullopt, graph, labels, work);
      std::fprintf(stderr, "mutex_watershed: %.2f bytes a voxel beyond affinities and labels, %zu segments\n",
                   static_cast<double>(work.peak_bytes) / static_cast<double>(affinities->box().voxels()),
                   labels.names.size());
      return std::move(labels.ids);
    };
  };
}

}  // namespace petavox::bench
