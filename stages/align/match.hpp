#pragma once
// Where a patch of one image lies in a window of another: masked normalised cross-correlation (Padfield 2012,
// IEEE TIP 21:2706) through Fourier transforms, with the place of the peak to a fraction of a pixel.
//
// A Patch and a Window are transformed once and matched with as many others as needed. Where neither has
// invalid pixels, the normalisation comes from exact integer box sums and one inverse transform is enough.

#include "stages/fft/fft2d.hpp"

#include <cstdint>
#include <vector>

namespace petavox::align {

struct MatchSettings {
  int patch = 96;             ///< pixels along a side of the patch; even
  int radius = 16;            ///< largest displacement looked for, per axis, pixels
  double min_valid = 0.3;     ///< least share of the patch that must be valid in both
  double min_contrast = 1.0;  ///< least standard deviation of the patch, grey levels
  int window() const { return patch + 2 * radius; }
};

enum class MatchState : std::uint8_t {
  good = 0,
  no_content = 1,  ///< too few valid pixels, or nothing but one grey level
  at_edge = 2,     ///< the best displacement is the largest looked for
  ambiguous = 3,   ///< the second peak is nearly as high
  flat = 4,        ///< the peak is no peak
  deviant = 5,     ///< unlike its neighbours
};

struct Match {
  MatchState state = MatchState::no_content;
  double dy = 0, dx = 0;  ///< the patch at p looks like the window at p + d
  double peak = 0;        ///< correlation there, -1 to 1
  double ratio = 0;  ///< to the highest correlation elsewhere (beyond 5 pixels); 100 if that is not positive
  double sharpness = 0;  ///< peak less the mean correlation 3 pixels away
};

/// A patch or a window and its spectra. Buffers are reused by prepare_*.
struct Prepared {
  std::vector<float> centred;       ///< pixels less their mean, 0 where invalid
  std::vector<std::uint8_t> valid;  ///< 0 or 1
  AlignedFloats values;             ///< spectrum of `centred`
  AlignedFloats squares, mask;      ///< spectra of their squares and of `valid`, once `masked` is set
  std::vector<std::int64_t> sums, square_sums;  ///< of a window without invalid pixels: integral images
  double variance_sum = 0;                      ///< of a patch: sum of the squares of `centred`
  double share = 0;                             ///< of valid pixels
  double contrast = 0;                          ///< standard deviation of the valid pixels
  int side = 0;
  bool full = false, masked = false;
};

class Matcher {
 public:
  explicit Matcher(const MatchSettings& settings);
  const MatchSettings& settings() const { return settings_; }

  /// The n x n pixels of a patch or a window and which of them are valid (not 0), in raster order.
  void prepare_patch(const std::uint16_t* pixels, const std::uint8_t* valid, Prepared& out);
  void prepare_window(const std::uint16_t* pixels, const std::uint8_t* valid, Prepared& out);
  /// Completes the spectra of both where it needs more of them.
  Match match(Prepared& patch, Prepared& window);

 private:
  void prepare(const std::uint16_t* pixels, const std::uint8_t* valid, int side, Prepared& out);
  void add_integrals(const std::uint16_t* pixels, Prepared& out) const;
  void add_masked(Prepared& out);
  template <class Value>
  void transform(int side, AlignedFloats& spectrum, const Value& value);
  void correlate(const AlignedFloats& a, const AlignedFloats& b, AlignedFloats& reals);
  void map_of_full(const Prepared& patch, const Prepared& window);
  void map_of_masked(const Prepared& patch, const Prepared& window);
  Match find_peak() const;

  MatchSettings settings_;
  Fft2D fft_;
  AlignedFloats scratch_, product_, planes_[6];
  std::vector<double> map_;  ///< correlation of each displacement, (2 radius + 1)^2; below -1: none
};

}  // namespace petavox::align
