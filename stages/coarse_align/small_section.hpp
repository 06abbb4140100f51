#pragma once
// A section reduced by stages/align/level.hpp, ready for the search.

#include "petavox/volume/array.hpp"

#include "stages/coarse_align/kernel.hpp"

namespace petavox::coarse_align {

/// Pixels of whole sections of `domain` to one of the search, if these may have `extent` along a side.
Index reduction_of(const Box& domain, Index extent);
/// From pixels of the search to those of the full resolution.
Affine enlarged(Index reduction);

/// 8 bits, the greys that it holds stretched to 1 to 255, and where it holds something.
struct SmallSection {
  Array image, mask;

  /// `reduced`: uint8 or uint16, one plane, greys and, not 0, where they are.
  explicit SmallSection(const Array& reduced) : SmallSection{reduced, reduced.box()} {}
  /// One plane of several.
  SmallSection(const Array& reduced, const Box& plane);
  Section section() const {
    return {std::as_const(image).view<std::uint8_t>(), std::as_const(mask).view<std::uint8_t>()};
  }
};

}  // namespace petavox::coarse_align
