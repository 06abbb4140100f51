#include "stages/coarse_align/patches.hpp"

#include "stages/coarse_align/patch_sums.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
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
      sums_.push_back(sum);
      squares_.push_back(squares);
    }
  }
  /// Scores that a row of the search takes: its shifts, and some that do not count.
  Index scores_of_row() const { return shifts_; }
  /// Correlations of the shifts of row j of the search; -1 where these do not count.
  void shifted(Index j, const Threshold& threshold, double* scores) {
    correlations({patch_.value(0), patch_.held(0), patch_.whole.data(), patch_.width, sums_.data(),
                  squares_.data(), 1},
                 {other_.value(j), other_.held(j), other_.whole.data() + j, other_.width, own(own_, j),
                  own(own_squares_, j), shifts_},
                 height_, width_, side_, threshold, scores);
  }

 private:
  float* own(std::vector<float>& sums, Index row) { return &sums[static_cast<std::size_t>(row * shifts_)]; }

  Index side_, shifts_, width_, height_;
  Window patch_, other_;
  std::vector<float> own_, own_squares_;  // of the other image, for each of its rows and each shift
  std::vector<float> sums_, squares_;     // of the rows of the patch
};

/// Pixels of a rectangle that hold something; it may go beyond the image.
Index held_in(const Masked& image, const Rect& rect) {
  const Rect held = rect.meet({0, 0, image.values.height, image.values.width});
  Index count = 0;
  for (Index y = held.y0; y < held.y1; ++y)
    count +=
        std::count(image.inside.row(y) + held.x0, image.inside.row(y) + std::max(held.x0, held.x1), 1.0F);
  return count;
}

}  // namespace

std::optional<Peak> match_patch(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx,
                                Index radius, double flat) {
  constexpr double min_share = 0.7;
  const Index side = 2 * radius + 1;
  // No shift shows more than either image holds at all.
  const Rect region = what.moved(dy, dx).grown(radius);
  const auto most = static_cast<double>(std::min(held_in(a, what), held_in(b, region)));
  if (most / static_cast<double>(what.height() * what.width()) < min_share) return std::nullopt;
  Search search{a, b, what, dy, dx, radius};
  const Index stride = search.scores_of_row();
  std::vector<double> scores(static_cast<std::size_t>(side * stride));
  double highest = -1;
  Index j = 0, i = 0;
  for (Index row = 0; row < side; ++row) {
    double* const of_row = &scores[static_cast<std::size_t>(row * stride)];
    search.shifted(row, {flat, min_share}, of_row);
    const double* const top = std::max_element(of_row, of_row + side);
    if (*top <= highest) continue;
    highest = *top;
    j = row;
    i = top - of_row;
  }
  if (j == 0 || i == 0 || j == side - 1 || i == side - 1) return std::nullopt;
  const auto score = [&](Index jj, Index ii) { return scores[static_cast<std::size_t>(jj * stride + ii)]; };
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
