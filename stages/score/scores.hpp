#pragma once
// Agreement of a segmentation with a truth, from integer counts. Definitions: docs of the stage `score`.
// All sums are exact; logarithms enter only here, in one fixed order, for printing.

#include <cstdint>
#include <map>
#include <string>

namespace petavox::score {

using Wide = unsigned __int128;

/// How many cells of a contingency table hold a given count: count -> cells.
using Histogram = std::map<std::uint64_t, std::uint64_t>;

/// A contingency table, as far as scores depend on it. Voxels whose truth is ignored are in none of the
/// histograms. "Label 0": the background of the segmentation, which counts as one ordinary label except where
/// said.
struct Tally {
  Histogram pairs;           ///< of (label, truth), labels > 0
  Histogram labels;          ///< of labels > 0
  Histogram truths;          ///< of truth labels, over all labels
  Histogram zero_pairs;      ///< of (0, truth)
  Histogram zero_labels;     ///< of label 0 (one cell; in 2d mode one a section)
  std::uint64_t voxels = 0;  ///< scored or with ignored truth; not those under the ignore mask
  Tally& operator+=(const Tally& other);
  friend bool operator==(const Tally&, const Tally&) = default;
};

struct Scores {
  double voi_split = 0;  ///< H(labels | truth), bits
  double voi_merge = 0;  ///< H(truth | labels), bits
  double adapted_rand_error = 0;
  double rand_split = 0;  ///< sum p_ij^2 / sum t_i^2
  double rand_merge = 0;  ///< sum p_ij^2 / sum s_j^2
  double v_rand = 0;      ///< ISBI 2012; voxels of label 0 are segments of one voxel each
  double v_info = 0;      ///< likewise
  double cremi_score = 0;
  std::uint64_t voxels = 0;                                     ///< all that were looked at
  std::uint64_t scored_voxels = 0;                              ///< truth not ignored
  std::uint64_t zero_voxels = 0;                                ///< of these, with label 0
  std::uint64_t num_labels = 0, num_truths = 0, num_pairs = 0;  ///< label 0 and its pairs included
  Wide sum_pairs_squared = 0;                                   ///< over all labels
  Wide sum_labels_squared = 0;                                  ///< over all labels
  Wide sum_truths_squared = 0;
  Wide sum_zero_pairs_squared = 0, sum_zero_labels_squared = 0;  ///< the part of label 0 in them
};

/// Where nothing is scored all measures are 0 (there is nothing to disagree about).
Scores scores_of(const Tally& tally);

/// One JSON object, keys in fixed order, measures with nine decimals, integers in full (those above 2^53 as
/// strings): the same text for the same tally.
std::string to_json(const Scores& scores);

}  // namespace petavox::score
