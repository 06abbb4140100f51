#pragma once
// Coarse alignment of two sections: a similarity or affine transform found without a starting guess, from
// scale-invariant keypoints. Plain functions on views, no framework; the method: README.md.
//
// Promises: a function of the pixels and the settings alone (no random numbers), the same bits on every
// machine. Thread-safe.

#include "petavox/volume/view.hpp"

#include "stages/coarse_align/affine.hpp"

#include <cstdint>
#include <optional>

namespace petavox::coarse_align {

/// One section: a view of one plane (z extent 1). Pixels that are 0, or 0 in the mask, hold nothing.
struct Section {
  View<const std::uint8_t> image;
  std::optional<View<const std::uint8_t>> mask{};  ///< over the same box
};

class Sought;  // sought.hpp

struct Settings {
  bool affine = true;         ///< false: rotation, one scale and shift only
  bool flips = true;          ///< also try the moving section turned over
  double max_scale = 1.25;    ///< scales from 1 / max_scale to max_scale are accepted
  double inlier_px = 3;       ///< largest residual of an inlier, in pixels of the working resolution
  int min_inliers = 12;       ///< patches that must agree; fewer prove nothing
  double min_ncc = 0.1;       ///< correlation of the aligned sections below which the result is refused
  double min_overlap = 0.25;  ///< share of the smaller content that both must show
  int max_features = 2000;    ///< the strongest keypoints of a section
  Index max_extent = 1024;    ///< sections whose content is larger are reduced by a whole factor
};

struct Result {
  bool found = false;     ///< enough inliers, a possible scale, and the sections correlate
  Affine to_fixed{};      ///< from pixels of `moving` to pixels of `fixed`; the identity if not found
  bool flipped = false;   ///< the determinant is negative
  int inliers = 0;        ///< matches of keypoints that agree with the transform
  int matches = 0;        ///< matches in all, before agreement was asked for
  double ncc = 0;         ///< correlation of the two, local contrast made even, where both hold something
  double confidence = 0;  ///< 0 not found, to 1: ncc x inliers / (inliers + min_inliers)
};

/// Finds the transform that takes `moving` onto `fixed`, in absolute pixel coordinates of the two views.
/// Sections without content give a result that is not found. Throws Error{contract} if a view has more than
/// one plane or channel, or a mask another box.
Result align(const Section& fixed, const Section& moving, const Settings& settings = {});

/// The same for sections that are in several pairs: nothing is computed of one twice.
Result align(Sought& fixed, Sought& moving, const Settings& settings = {});

/// The same for a part of a section, `moving`, that was moved by at most a quarter of the section and hardly
/// turned: for parts too small for align(), or too little alike in detail (nearby.hpp).
Result align_nearby(const Section& fixed, const Section& moving, const Settings& settings = {});

/// How much alike two sections are that lie on each other through `to_fixed`, 0 to 1: patches all over the
/// overlap are sought within a few pixels, and their correlations averaged (those not found count as 0). So a
/// transform that is a little off, or tissue that bends, makes no difference. Throws as align() does.
double likeness(const Section& fixed, const Section& moving, const Affine& to_fixed,
                const Settings& settings = {});
double likeness(Sought& fixed, Sought& moving, const Affine& to_fixed, const Settings& settings = {});

}  // namespace petavox::coarse_align
