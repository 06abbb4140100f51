#pragma once
// The segmentation core read out of its definition (docs/invariance.md), for a whole volume at once: slow,
// simple, and independent of the code under test.

#include "petavox/base/uint128.hpp"
#include "petavox/volume/array.hpp"
#include "petavox/volume/label_array.hpp"

#include <functional>
#include <map>

namespace petavox::oracle {

/// The value of an 8- or 16-bit affinity.
std::uint64_t affinity_at(const Array& affinities, int channel, Coord p);

/// Names voxel by voxel (uint64), for thresholds as affinity values.
Array watershed(const Array& affinities, std::uint64_t high, std::uint64_t low);

/// One contact of two segments, sums in the affinities' own unit.
struct Contact {
  std::uint64_t sum = 0, count = 0, key = ~std::uint64_t{0};
};
using Pair = std::pair<Name, Name>;  // first < second
using Graph = std::map<Pair, Contact>;

Graph region_graph(const Array& names, const Array& affinities);

/// May two segments of these sizes join at this mean, sum / count?
using MayJoin = std::function<bool(const Contact&, std::uint64_t voxels_a, std::uint64_t voxels_b)>;

/// Greedy linkage: takes the best pair (greatest mean, then smallest key) again and again; joins it if
/// `may_join`, else deletes it with its sum and count; stops when the best is below `at_least` (false).
/// Returns the segment of every supervoxel.
std::map<Name, Name> agglomerate(Graph graph, std::map<Name, std::uint64_t> sizes,
                                 const std::function<bool(const Contact&)>& at_least,
                                 const MayJoin& may_join);

/// Merging of small segments: takes every contact once, in the order of linkage, and joins the segments of
/// its ends if either has fewer than `min_voxels` voxels and the contact is `good`. Returns the segment of
/// every supervoxel.
std::map<Name, Name> merge_small(const Graph& graph, const std::map<Name, std::uint64_t>& sizes,
                                 std::uint64_t min_voxels, const std::function<bool(const Contact&)>& good);

/// Number of voxels of each name but 0.
std::map<Name, std::uint64_t> sizes_of(const Array& names);
/// Every name replaced.
Array renamed(const Array& names, const std::map<Name, Name>& to);

}  // namespace petavox::oracle
