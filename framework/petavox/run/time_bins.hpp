#pragma once
// Sums over time in a bounded number of bins, whatever the time comes to: when it runs past the last bin, all
// bins become twice as wide. Several channels share the bins. Values; not synchronised.

#include <algorithm>
#include <cstddef>
#include <vector>

namespace petavox {

class TimeBins {
 public:
  static constexpr std::size_t num_bins = 240;

  explicit TimeBins(std::size_t channels = 0) : channels_{channels}, sums_(channels * num_bins, 0.0) {}

  std::size_t channels() const { return channels_; }
  double width_s() const { return width_s_; }
  double at(std::size_t channel, std::size_t bin) const { return sums_[channel * num_bins + bin]; }

  /// At a moment.
  void add(std::size_t channel, double at_s, double value) {
    at_s = std::max(at_s, 0.0);
    fit(at_s);
    sums_[channel * num_bins + bin_of(at_s)] += value;
  }
  /// Spread evenly over [begin_s, end_s).
  void add_span(std::size_t channel, double begin_s, double end_s, double value) {
    begin_s = std::max(begin_s, 0.0);
    if (!(end_s > begin_s)) return add(channel, end_s, value);
    fit(end_s);
    const double rate = value / (end_s - begin_s);
    for (std::size_t bin = bin_of(begin_s); bin <= bin_of(end_s); ++bin) {
      const double from = std::max(begin_s, static_cast<double>(bin) * width_s_);
      const double to = std::min(end_s, static_cast<double>(bin + 1) * width_s_);
      if (to > from) sums_[channel * num_bins + bin] += rate * (to - from);
    }
  }
  /// Channel 2k and 2k + 1 become channel k; the upper half is empty then. Expects groups of `group` channels
  /// that stay together, and an even number of groups.
  void fold_groups(std::size_t group) {
    for (std::size_t g = 0; g < channels_ / group; ++g)
      for (std::size_t i = 0; i < group * num_bins; ++i) {
        const double value = sums_[g * group * num_bins + i];
        sums_[g * group * num_bins + i] = 0;
        sums_[g / 2 * group * num_bins + i] += value;
      }
  }

 private:
  std::size_t bin_of(double at_s) const {
    return std::min(num_bins - 1, static_cast<std::size_t>(at_s / width_s_));
  }
  void fit(double at_s) {
    while (at_s > width_s_ * static_cast<double>(num_bins)) {
      for (std::size_t c = 0; c < channels_; ++c) {
        double* sums = sums_.data() + c * num_bins;
        for (std::size_t i = 0; i < num_bins / 2; ++i) sums[i] = sums[2 * i] + sums[2 * i + 1];
        std::fill(sums + num_bins / 2, sums + num_bins, 0.0);
      }
      width_s_ *= 2;
    }
  }

  std::size_t channels_;
  double width_s_ = 0.001;
  std::vector<double> sums_;  // channel-major
};

}  // namespace petavox
