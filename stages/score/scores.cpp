#include "stages/score/scores.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace petavox::score {
namespace {

/// What the measures need of one marginal.
struct Moments {
  std::uint64_t cells = 0, voxels = 0;
  Wide squares = 0;
  double c_log_c = 0;  ///< sum of count * log2(count)

  void add(const Histogram& histogram) {
    for (const auto& [count, multiplicity] : histogram) {
      cells += multiplicity;
      voxels += count * multiplicity;
      squares += static_cast<Wide>(count) * count * multiplicity;
      c_log_c += static_cast<double>(multiplicity) *
                 (static_cast<double>(count) * std::log2(static_cast<double>(count)));
    }
  }
};

Moments moments(const Histogram& histogram) {
  Moments m;
  m.add(histogram);
  return m;
}
Moments moments(const Histogram& first, const Histogram& second) {
  Moments m = moments(first);
  m.add(second);
  return m;
}

void add(Histogram& to, const Histogram& from) {
  for (const auto& [count, multiplicity] : from) to[count] += multiplicity;
}

double ratio(double a, double b) { return b > 0 ? a / b : 0.0; }

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  add(pairs, other.pairs);
  add(labels, other.labels);
  add(truths, other.truths);
  add(zero_pairs, other.zero_pairs);
  add(zero_labels, other.zero_labels);
  voxels += other.voxels;
  return *this;
}

Scores scores_of(const Tally& tally) {
  const Moments pairs = moments(tally.pairs), labels = moments(tally.labels), truths = moments(tally.truths);
  const Moments zero_pairs = moments(tally.zero_pairs), zero_labels = moments(tally.zero_labels);
  const Moments all_pairs = moments(tally.pairs, tally.zero_pairs);
  const Moments all_labels = moments(tally.labels, tally.zero_labels);
  Scores s;
  s.voxels = tally.voxels;
  s.scored_voxels = truths.voxels;
  s.zero_voxels = zero_labels.voxels;
  s.num_labels = all_labels.cells;
  s.num_truths = truths.cells;
  s.num_pairs = all_pairs.cells;
  s.sum_pairs_squared = pairs.squares;
  s.sum_labels_squared = labels.squares;
  s.sum_zero_pairs_squared = zero_pairs.squares;
  s.sum_zero_labels_squared = zero_labels.squares;
  s.sum_truths_squared = truths.squares;
  if (s.scored_voxels == 0) return s;
  const auto n = static_cast<double>(s.scored_voxels);
  const auto zeros = static_cast<double>(s.zero_voxels);

  s.voi_split = std::max(0.0, (truths.c_log_c - all_pairs.c_log_c) / n);
  s.voi_merge = std::max(0.0, (all_labels.c_log_c - all_pairs.c_log_c) / n);

  const auto squares = [](const Moments& m) { return static_cast<double>(m.squares); };
  s.rand_split = ratio(squares(all_pairs), squares(truths));
  s.rand_merge = ratio(squares(all_pairs), squares(all_labels));

  // 2PR / (P + R) with P = AB / B and R = AB / A is 2 AB / (A + B).
  const double correction = zeros / static_cast<double>(s.voxels);
  s.adapted_rand_error =
      1.0 - ratio(2 * (squares(pairs) + correction), squares(truths) + squares(labels) + correction);
  s.adapted_rand_error = std::max(0.0, s.adapted_rand_error);
  s.cremi_score = std::sqrt((s.voi_split + s.voi_merge) * s.adapted_rand_error);

  s.v_rand = ratio(2 * (squares(pairs) + zeros), squares(truths) + squares(labels) + zeros);
  // Objects of one voxel add nothing to a sum of c log c.
  const double log_n = std::log2(n);
  const double entropy_labels = log_n - labels.c_log_c / n, entropy_truths = log_n - truths.c_log_c / n;
  const double entropy_pairs = log_n - pairs.c_log_c / n;
  const double entropies = entropy_labels + entropy_truths;
  s.v_info = labels.cells == 1 && truths.cells == 1 && zeros == 0
                 ? 1.0  // two undivided volumes agree
                 : std::max(0.0, ratio(2 * (entropies - entropy_pairs), entropies));
  return s;
}

std::string decimal(Wide value) {
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value > 0);
  return {digits.rbegin(), digits.rend()};
}

std::string to_json(const Scores& s) {
  std::string text = "{";
  const auto put = [&](const char* key, const std::string& value) {
    text += fmt::format("{}\"{}\": {}", text.size() > 1 ? ", " : "", key, value);
  };
  const auto measure = [&](const char* key, double value) { put(key, fmt::format("{:.9f}", value)); };
  const auto integer = [&](const char* key, Wide value) {
    const std::string digits = decimal(value);
    put(key, value <= (Wide{1} << 53) ? digits : "\"" + digits + "\"");
  };
  measure("voi_split", s.voi_split);
  measure("voi_merge", s.voi_merge);
  measure("adapted_rand_error", s.adapted_rand_error);
  measure("rand_split", s.rand_split);
  measure("rand_merge", s.rand_merge);
  measure("v_rand", s.v_rand);
  measure("v_info", s.v_info);
  measure("cremi_score", s.cremi_score);
  integer("voxels", s.voxels);
  integer("scored_voxels", s.scored_voxels);
  integer("zero_voxels", s.zero_voxels);
  integer("num_labels", s.num_labels);
  integer("num_truths", s.num_truths);
  integer("num_pairs", s.num_pairs);
  integer("sum_pairs_squared", s.sum_pairs_squared);
  integer("sum_labels_squared", s.sum_labels_squared);
  integer("sum_zero_pairs_squared", s.sum_zero_pairs_squared);
  integer("sum_zero_labels_squared", s.sum_zero_labels_squared);
  integer("sum_truths_squared", s.sum_truths_squared);
  return text + "}";
}

}  // namespace petavox::score
