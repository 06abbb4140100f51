#pragma once
// Stage `align`: sections that were cut, stretched and shifted, each in its own way, become one volume.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType align_stage();

}  // namespace petavox
