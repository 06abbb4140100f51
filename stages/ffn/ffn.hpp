#pragma once
// Stage `ffn`: objects by a flood-filling network, subvolume by subvolume, joined by `stitch`. The result
// depends on the lattice of subvolumes, never on blocks, ranks or schedule (docs/invariance.md).

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType ffn_stage();

}  // namespace petavox
