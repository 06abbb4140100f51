#include "box_blur.hpp"

#include <petavox/stage/plugin.hpp>

PETAVOX_STAGE_PLUGIN(BoxBlur)
