#pragma once
// The dense flow between placed sections: for each node of a lattice fixed in the domain and each of the
// previous sections linked to, where the node's surroundings lie there; and its cleaning.
//
// Lattice node n of spacing s stands for the pixels [s n, s (n + 1)); its patch is these and those of `rings`
// nodes on each side.

#include "petavox/volume/array.hpp"

#include "stages/align/block_matching.hpp"

namespace petavox::align {

struct FlowSettings {
  MatchSettings match;
  std::vector<int> links{1, 2};  ///< sections back, ascending
};

/// Channels of the flow for each link: int16 dy, dx in 1/64 px; peak, ratio, sharpness in 1/256 (at most
/// 100); MatchState; share in 1/256.
inline constexpr int flow_channels = 7;
inline constexpr double flow_units_per_px = 64, quality_units = 256;

/// Pixels of the placed section that nodes read beyond the pixels that coarsen to them.
Index flow_halo(const FlowSettings& settings);

/// Bytes that flow_of() needs beside its arrays for a box of `sections` sections of edge x edge nodes, for
/// each pixel that it reads.
double flow_scratch_bytes_per_voxel(const FlowSettings& settings, Index sections, Index edge);

/// Fills `out` (int16, flow_channels per link, over a box of nodes) from `placed` (uint8 or uint16; channel 0
/// the image, channel 1 not 0 where it is valid). `placed` holds what flow_halo says, clipped to its domain:
/// what is outside is invalid. A section that is not there has no content.
void flow_of(const Array& placed, const FlowSettings& settings, Array& out);

struct CleanSettings {
  double min_peak = 0.1;        ///< correlation
  double min_ratio = 1.1;       ///< peak to second peak
  double min_sharpness = 0.01;  ///< peak less the mean 3 pixels away
  double max_deviation = 3;     ///< pixels from the median of the 3 x 3 nodes round it
};

/// Channels of the cleaned flow for each link: int16 dy, dx in 1/64 px; weight in 1/1024 (0: rejected);
/// MatchState with the reason.
inline constexpr int clean_channels = 4;
inline constexpr double weight_units = 1024;

/// Reads the flow one node beyond `out` on y and x, clipped to its domain.
void clean_flow(const Array& flow, const CleanSettings& settings, int num_links, Array& out);

}  // namespace petavox::align
