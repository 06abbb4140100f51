#pragma once
// Stage `resegment`: joins segments of a flood-filling network where it finds the same object from both. The
// decisions are a region graph with one vote for each place; `agglomerate`'s linkage joins by it, exactly for
// any blocks.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType resegment_stage();

}  // namespace petavox
