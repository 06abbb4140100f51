#pragma once
// Stage `open_folds`: sections that were folded or cracked, put back as if they were not. Method: README.md.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType open_folds_stage();

}  // namespace petavox
