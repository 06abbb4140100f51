#pragma once
// The tables that ports carry. They live in the volume layer, where `io`, which may not include `stage`,
// can store them.

#include "petavox/volume/table.hpp"
