#pragma once
// A piece of a placed section, prepared for block matching: pixels as small integers whose products add up
// exactly, and integral images.
//
// A pixel v counts as the sum of `weight` x plane over the planes of `values`: v - 128 for 8 bits; for 16
// bits two planes, (v / 256 - 128) and (v % 256 - 128), which together are v - 32896. What is invalid counts
// as 0 in every plane. Its square is a sum over the planes of `squares` likewise.

#include "petavox/volume/array.hpp"

#include "stages/align/cell_kernels.hpp"

#include <vector>

namespace petavox::align {

/// Values of at most 2^7 (squares: 2^14) in absolute value, as they are and as pairs of neighbours along x.
struct Plane {
  double weight = 1;
  std::vector<std::int16_t> values;
  std::vector<std::int32_t> pairs;  ///< (y, x) in the low half, (y, x + 1) in the high one
};

/// `Sum` as in cell_kernels.hpp.
template <class Sum>
class SectionTile {
  static_assert(is_sum<Sum>);

 public:
  SectionTile() = default;
  SectionTile(const Array& placed, Index z, const Box& region) { read(placed, z, region); }
  /// The pixels of section z of `placed` (channel 0 the image, channel 1 not 0 where it is valid) over
  /// `region` (y and x count); outside the domain nothing is valid. Memory of what it held before is used
  /// again: fresh pages would cost more than the sums.
  void read(const Array& placed, Index z, const Box& region);

  /// Elements of a row, of planes and of integral images alike; at least displacement_step more than pixels.
  long stride() const { return stride_; }
  const std::vector<Plane>& values() const { return values_; }
  /// Made when they are first asked for: where nothing is invalid they are not needed.
  const std::vector<Plane>& squares();
  const std::vector<Plane>& valid();

  /// Integral images, one row and column more than pixels, of values, squares and valid pixels: sums over
  /// the pixels above and left of (y, x), relative to the region. Differences are exact.
  const Integral<Sum>* value_integral(long y, long x) const { return &value_sums_[at(y, x)]; }
  const Integral<Sum>* square_integral(long y, long x) const { return &square_sums_[at(y, x)]; }
  /// Not if everything is valid.
  const Integral<Sum>* valid_integral(long y, long x) const { return &valid_sums_[at(y, x)]; }
  /// The sum of one of these over the square of `side` pixels that begins where `integral` points.
  Sum box(const Integral<Sum>* integral, long side) const {
    const Integral<Sum>* const bottom = integral + side * stride_;
    return static_cast<Sum>((bottom[side] - bottom[0]) - (integral[side] - integral[0]));
  }

  /// Whether everything in the tile is valid.
  bool full() const { return full_; }
  /// How much of the square of `side` pixels at (y, x) is valid.
  Sum valid_in(long y, long x, long side) const {
    return full_ ? static_cast<Sum>(side * side) : box(valid_integral(y, x), side);
  }

 private:
  std::size_t at(long y, long x) const { return static_cast<std::size_t>(y * stride_ + x); }
  template <class T>
  void fill(View<const T> placed, Index z, const Box& region);
  void integrate(Extent shape);

  bool full_ = true;
  Index num_valid_ = 0;
  bool squares_made_ = false, valid_paired_ = false;
  long stride_ = 0;
  std::vector<Plane> values_, squares_, valid_;
  std::vector<Integral<Sum>> value_sums_, square_sums_, valid_sums_;
};

}  // namespace petavox::align
