#pragma once
// Stage `stitch`: joins the labels of overlapping subvolumes that any segmenter wrote (OutPort::window), by
// mutual greatest overlap. The result depends on the lattice of subvolumes, never on blocks, ranks or
// schedule.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType stitch_stage();

}  // namespace petavox
