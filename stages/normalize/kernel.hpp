#pragma once
// Contrast normalisation by statistics on a lattice of cells that is fixed in the domain. Plain functions on
// arrays; the method: README.md.

#include "petavox/volume/array.hpp"

namespace petavox::normalize {

struct Settings {
  Extent cell{1, 64, 64};   ///< length of a lattice cell in voxels, about (the cells of an axis are equal)
  double mean = 128;        ///< of the output
  double contrast = 33;     ///< standard deviation of the output
  double min_contrast = 8;  ///< a cell's deviation counts as at least this: noise is not blown up
  bool skip_zeros = true;   ///< zeros are no data: not counted, and kept
};

/// The cells of one axis: [begin + k L / n, begin + (k+1) L / n) for k in [0, n), n = L / cell rounded.
class Lattice {
 public:
  Lattice(Index domain_begin, Index domain_end, Index cell);
  Index size() const { return size_; }
  Index begin(Index k) const { return begin_ + k * length_ / size_; }
  /// The cell of a position, which must be in the domain.
  Index cell_of(Index p) const;
  /// Twice the centre of a cell, exact: its voxels lie round it.
  Index twice_centre(Index k) const { return begin(k) + begin(k + 1) - 1; }
  /// The first of the two cells that a position is interpolated between; the second is the next, or the same
  /// beyond the outermost centres.
  Index lower_cell(Index p) const;
  Index upper_cell(Index p) const;
  /// How far from a position its cells reach, at most.
  Index reach() const;

 private:
  Index begin_, length_, size_;
};

/// What normalised() reads round the voxels that it writes.
Halo halo_of(const Settings& settings, const Box& domain);

/// Writes each voxel of out.box(): (v - local mean) * contrast / local deviation + mean, rounded, in 0..255.
/// Mean and gain are those of the up to eight nearest cells, interpolated linearly between their centres.
/// `image`: integers of 8 or 16 bits, one channel, over out.box() grown by the halo and clipped to the
/// domain.
void normalised(const Array& image, View<std::uint8_t> out, const Settings& settings);

}  // namespace petavox::normalize
