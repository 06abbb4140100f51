#pragma once
// The connected parts of the labels in a box, for tests.

#include "petavox/volume/array.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace petavox::testing {

struct LabelPart {
  std::uint64_t label = 0;
  Index voxels = 0;
  bool touches_edge = false;  ///< of the box: it may go on outside
};

/// Parts whose voxels are joined through faces, edges or corners. Label 0 is left out.
std::vector<LabelPart> label_parts(const Array& labels);

}  // namespace petavox::testing
