#pragma once
// Fills a box with voxels. Tissue is cut into tiles of 32 units and these into cells of 8; all that is costly
// is done once a tile or a cell of this absolute lattice, so a voxel does not depend on the box that it is
// asked in.
//
// In each cell the deformation is interpolated between its corners. For every voxel the painter finds the
// tube whose surface is nearest (the owner) and the nearest of another object; half the difference of the two
// distances, divided by its gradient in tissue, is the distance to the membrane.

#include "stages/phantom/scene.hpp"

namespace petavox::phantom {

/// Fills raw, labels and types, which span `box`.
void paint(const Tissue& tissue, const Box& box, View<std::uint8_t> raw, View<std::uint64_t> labels,
           View<std::uint8_t> types);

}  // namespace petavox::phantom
