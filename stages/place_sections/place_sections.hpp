#pragma once
// Stage `place_sections`: where each section lies, without a starting guess: turned by any angle, of another
// size, shifted far, turned over.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType place_sections_stage();

}  // namespace petavox
