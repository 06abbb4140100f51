#include "stages/coarse_align/patches.hpp"

#include "stages/coarse_align/patch_sums.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace petavox::coarse_align {
namespace {

/// The pixels of `from` in rows, 0 outside; `whole` says of a row whether all of its pixels are inside.
struct Window {
  Index width = 0;
  std::vector<float> values, inside;
  std::vector<std::uint8_t> whole;

  Window(const Masked& from, const Rect& place, Index padding)
      : width{place.width() + padding},
        values(static_cast<std::size_t>(place.height() * width), 0.0F),
        inside(values.size(), 0.0F),
        whole(static_cast<std::size_t>(place.height()), 0) {
    const Rect held = place.meet({0, 0, from.values.height, from.values.width});
    for (Index y = held.y0; y < held.y1 && held.x0 < held.x1; ++y) {
      const auto to = (y - place.y0) * width + held.x0 - place.x0;
      std::copy(from.values.row(y) + held.x0, from.values.row(y) + held.x1, values.begin() + to);
      std::copy(from.inside.row(y) + held.x0, from.inside.row(y) + held.x1, inside.begin() + to);
      whole[static_cast<std::size_t>(y - place.y0)] =
          held.width() == place.width() &&
                  std::all_of(from.inside.row(y) + held.x0, from.inside.row(y) + held.x1,
                              [](float v) { return v == 1.0F; })
              ? 1
              : 0;
    }
  }
  const float* value(Index row) const { return &values[static_cast<std::size_t>(row * width)]; }
  const float* held(Index row) const { return &inside[static_cast<std::size_t>(row * width)]; }
};

/// Correlations of a patch with all shifts of a search: rows in single precision, their sums in double.
/// What of them does not depend on the shift, or on where in the patch a row is, is summed once.
class Search {
 public:
  Search(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx, Index radius)
      : side_{2 * radius + 1},
        shifts_{padded(side_)},
        width_{what.width()},
        height_{what.height()},
        patch_{a, what, 0},
        other_{b, what.moved(dy, dx).grown(radius), shifts_ - side_ + 1},
        own_(static_cast<std::size_t>((height_ + side_ - 1) * shifts_)),
        own_squares_{own_} {
    for (Index row = 0; row < height_ + side_ - 1; ++row)
      if (other_.whole[static_cast<std::size_t>(row)] != 0)
        own_sums(other_.value(row), width_, side_, own(own_, row), own(own_squares_, row));
    for (Index y = 0; y < height_; ++y) {
      float sum = 0, squares = 0;
      for (Index x = 0; x < width_; ++x) {
        const float u = patch_.value(y)[x];
        sum += u;
        squares += u * u;
      }
      of_patch_.push_back({sum, squares});
    }
    for (auto& sums : sums_) sums.resize(static_cast<std::size_t>(shifts_));
    for (auto& row : row_) row.resize(static_cast<std::size_t>(shifts_));
  }
  /// Shares and correlations of the shifts of row j of the search; -1 where either image is flat.
  void shifted(Index j, double flat, double min_share, double* scores) {
    for (auto& sums : sums_) std::ranges::fill(sums, 0.0);
    for (Index y = 0; y < height_; ++y) {
      const bool whole = patch_.whole[static_cast<std::size_t>(y)] != 0 &&
                         other_.whole[static_cast<std::size_t>(y + j)] != 0;
      if (whole) {
        product_sums(patch_.value(y), other_.value(y + j), width_, side_, row_[5].data());
        const auto [sum, squares] = of_patch_[static_cast<std::size_t>(y)];
        const float *b = own(own_, y + j), *bb = own(own_squares_, y + j);
        for (Index i = 0; i < side_; ++i) {
          const auto at = static_cast<std::size_t>(i);
          sums_[0][at] += static_cast<double>(width_);
          sums_[1][at] += static_cast<double>(sum);
          sums_[2][at] += static_cast<double>(b[i]);
          sums_[3][at] += static_cast<double>(squares);
          sums_[4][at] += static_cast<double>(bb[i]);
          sums_[5][at] += static_cast<double>(row_[5][at]);
        }
      } else {
        masked_sums(
            patch_.value(y), patch_.held(y), other_.value(y + j), other_.held(y + j), width_, side_,
            {row_[0].data(), row_[1].data(), row_[2].data(), row_[3].data(), row_[4].data(), row_[5].data()});
        for (std::size_t k = 0; k < sums_.size(); ++k)
          for (std::size_t i = 0; i < static_cast<std::size_t>(side_); ++i)
            sums_[k][i] += static_cast<double>(row_[k][i]);
      }
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(side_); ++i) {
      const double n = sums_[0][i], sa = sums_[1][i], sb = sums_[2][i];
      if (n < 1 || n / static_cast<double>(height_ * width_) < min_share) continue;
      const double va = sums_[3][i] - sa * sa / n, vb = sums_[4][i] - sb * sb / n;
      if (va > flat * flat * n && vb > flat * flat * n)
        scores[i] = (sums_[5][i] - sa * sb / n) / std::sqrt(va * vb);
    }
  }

 private:
  float* own(std::vector<float>& sums, Index row) { return &sums[static_cast<std::size_t>(row * shifts_)]; }

  Index side_, shifts_, width_, height_;
  Window patch_, other_;
  std::vector<float> own_, own_squares_;           // of the other image, for each of its rows and each shift
  std::vector<std::pair<float, float>> of_patch_;  // sum and squares of each row
  std::array<std::vector<double>, 6> sums_;
  std::array<std::vector<float>, 6> row_;
};

}  // namespace

std::optional<Peak> match_patch(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx,
                                Index radius, double flat) {
  constexpr double min_share = 0.7;
  const Index side = 2 * radius + 1;
  std::vector<double> scores(static_cast<std::size_t>(side * side), -1.0);
  Search search{a, b, what, dy, dx, radius};
  for (Index row = 0; row < side; ++row)
    search.shifted(row, flat, min_share, &scores[static_cast<std::size_t>(row * side)]);
  const auto best = static_cast<Index>(std::ranges::max_element(scores) - scores.begin());
  const Index j = best / side, i = best % side;
  if (j == 0 || i == 0 || j == side - 1 || i == side - 1) return std::nullopt;
  const auto score = [&](Index jj, Index ii) { return scores[static_cast<std::size_t>(jj * side + ii)]; };
  const double north = score(j - 1, i), south = score(j + 1, i), west = score(j, i - 1),
               east = score(j, i + 1);
  if (std::min({north, south, west, east}) <= -1) return std::nullopt;
  Peak peak;
  peak.dy = static_cast<double>(dy + j - radius) + vertex(north, score(j, i), south);
  peak.dx = static_cast<double>(dx + i - radius) + vertex(west, score(j, i), east);
  peak.correlation = score(j, i);
  return peak;
}

}  // namespace petavox::coarse_align
