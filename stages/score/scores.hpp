#pragma once
// Agreement of a segmentation with a truth, from integer counts. Definitions: README.md beside this file.
// All sums are exact; logarithms enter only in scores_of(), over sorted histograms in one fixed order.

#include "petavox/base/uint128.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace petavox::score {

using Wide = uint128;

/// How many cells of a contingency table hold a given count: count -> cells.
using Histogram = std::map<std::uint64_t, std::uint64_t>;

/// A contingency table, as far as scores depend on it. Voxels whose truth is ignored are in none of the
/// histograms. Label 0 is the background of the segmentation; in 2d mode there is one for each section.
struct Tally {
  Histogram pairs;           ///< (label, truth) of labels > 0
  Histogram labels;          ///< labels > 0
  Histogram truths;          ///< truths, over all labels
  Histogram zero_pairs;      ///< (0, truth)
  Histogram zero_labels;     ///< label 0
  std::uint64_t voxels = 0;  ///< looked at, those of ignored truth included
  Tally& operator+=(const Tally& other);
  friend bool operator==(const Tally&, const Tally&) = default;
};

struct Scores {
  double voi_split = 0;  ///< H(labels | truth), bits
  double voi_merge = 0;  ///< H(truth | labels), bits
  double adapted_rand_error = 0;
  double rand_split = 0;   ///< sum of pairs² / sum of truths²
  double rand_merge = 0;   ///< sum of pairs² / sum of labels²
  double v_rand = 0;       ///< as in ISBI 2012: voxels of label 0 are objects of one voxel
  double v_info = 0;       ///< likewise
  double cremi_score = 0;  ///< sqrt((voi_split + voi_merge) * adapted_rand_error)

  std::uint64_t voxels = 0;                                     ///< looked at
  std::uint64_t scored_voxels = 0;                              ///< truth not ignored
  std::uint64_t zero_voxels = 0;                                ///< of these, those of label 0
  std::uint64_t num_labels = 0, num_truths = 0, num_pairs = 0;  ///< label 0 and its pairs included
  Wide sum_pairs_squared = 0, sum_labels_squared = 0;           ///< of labels > 0
  Wide sum_zero_pairs_squared = 0, sum_zero_labels_squared = 0;
  Wide sum_truths_squared = 0;
};

/// Where nothing was scored all measures are 0.
Scores scores_of(const Tally& tally);

/// One JSON object in one line, keys in fixed order, measures with nine decimals, integers in full (above
/// 2^53 as strings): the same text for the same tally.
std::string to_json(const Scores& scores);

/// An integer of any size in decimal digits.
std::string decimal(Wide value);

}  // namespace petavox::score
