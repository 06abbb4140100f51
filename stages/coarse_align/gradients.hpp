#pragma once
// Gradients of an image, row by row. The same operations in the same order for each pixel, so every
// instruction set computes the same bits.

namespace petavox::coarse_align {

/// Of the pixels x < count of a row: lengths, and angles as angle_of() has them. `above`, `here` and `below`
/// begin at pixel 0; here[-1] and here[count] are read.
void gradients(const float* above, const float* here, const float* below, long count, double* lengths,
               double* angles);

/// Square cells round a point, turned.
struct TurnedGrid {
  double y = 0, x = 0;  ///< the point, pixels
  double angle = 0;     ///< in [0, 2 pi)
  double sine = 0, cosine = 1;
  double cell = 1;        ///< pixels
  double half = 0;        ///< cells from the point to the first, along each axis
  double directions = 1;  ///< of a full turn
};
/// Where the pixels (y, first + i) lie for i < count, in cells, and where gradients of these angles point, in
/// directions.
void lay_on_grid(const TurnedGrid& grid, long y, long first, const double* angles, long count, double* cell_y,
                 double* cell_x, double* directions);

}  // namespace petavox::coarse_align
