#include "stages/tiles/correlate.hpp"

#include "stages/fft/fft2d.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::tiles {
namespace {

/// Products of masked planes, as the normalisation needs them.
struct Spectra {
  AlignedFloats mask, value, square;
};

AlignedFloats transformed(const Fft2D& fft, const Plane& plane, const Plane* times) {
  AlignedFloats canvas{fft.num_reals()}, spectrum{fft.num_spectrum()};
  for (Index y = 0; y < plane.height; ++y) {
    float* const out = canvas.data() + static_cast<std::size_t>(y) * fft.width();
    for (Index x = 0; x < plane.width; ++x)
      out[x] = times != nullptr ? plane.at(y, x) * times->at(y, x) : plane.at(y, x);
  }
  fft.forward(canvas, spectrum);
  return spectrum;
}

Spectra spectra_of(const Fft2D& fft, const Plane& values, const Plane& inside) {
  return {transformed(fft, inside, nullptr), transformed(fft, values, nullptr),
          transformed(fft, values, &values)};
}

/// sum over p of a(p) b(p + d), for all d.
AlignedFloats correlated(const Fft2D& fft, const AlignedFloats& a, const AlignedFloats& b) {
  AlignedFloats spectrum{fft.num_spectrum()}, sums{fft.num_reals()};
  correlate_spectra(a, b, spectrum);
  const float scale = 1.0F / static_cast<float>(fft.num_reals());
  for (std::size_t i = 0; i < spectrum.size(); ++i) spectrum[i] *= scale;
  fft.inverse(spectrum, sums);
  return sums;
}

/// Zero mean and unit deviation over the content: keeps the sums of the transform small.
Plane standardised(const Plane& values, const Plane& inside) {
  double n = 0, sum = 0, square = 0;
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    if (!(inside.values[i] > 0)) continue;
    const auto v = static_cast<double>(values.values[i]);
    n += 1;
    sum += v;
    square += v * v;
  }
  const double mean = n > 0 ? sum / n : 0;
  const double variance = n > 0 ? square / n - mean * mean : 0;
  const double scale = variance > 1e-12 ? 1 / std::sqrt(variance) : 0;
  Plane out{values.height, values.width};
  for (std::size_t i = 0; i < values.values.size(); ++i)
    if (inside.values[i] > 0)
      out.values[i] = static_cast<float>((static_cast<double>(values.values[i]) - mean) * scale);
  return out;
}

double count_of(const Plane& inside) {
  double n = 0;
  for (const float v : inside.values) n += static_cast<double>(v);
  return n;
}

}  // namespace

Plane high_passed(const Plane& values, const Plane& inside, double sigma) {
  const Plane weight = coarse_align::smoothed(inside, sigma);
  Plane content = values;
  for (std::size_t i = 0; i < content.values.size(); ++i) content.values[i] *= inside.values[i];
  const Plane mean = coarse_align::smoothed(content, sigma);
  for (std::size_t i = 0; i < content.values.size(); ++i)
    content.values[i] = inside.values[i] > 0 ? content.values[i] - mean.values[i] / weight.values[i] : 0.0F;
  return content;
}

Piece reduced(const Piece& piece, Index factor) {
  Piece out;
  out.rect = piece.rect;
  out.values = Plane{piece.values.height / factor, piece.values.width / factor};
  out.inside = Plane{out.values.height, out.values.width};
  for (Index y = 0; y < out.values.height; ++y)
    for (Index x = 0; x < out.values.width; ++x) {
      float sum = 0, count = 0;
      for (Index j = 0; j < factor; ++j)
        for (Index i = 0; i < factor; ++i) {
          const float inside = piece.inside.at(y * factor + j, x * factor + i);
          sum += inside * piece.values.at(y * factor + j, x * factor + i);
          count += inside;
        }
      if (2 * count < static_cast<float>(factor * factor)) continue;
      out.values.at(y, x) = sum / count;
      out.inside.at(y, x) = 1;
    }
  return out;
}

std::optional<Shift> best_shift(const Plane& a, const Plane& a_inside, const Plane& b, const Plane& b_inside,
                                Coord centre, Coord radius, double min_share) {
  const double least = min_share * std::min(count_of(a_inside), count_of(b_inside));
  if (!(least >= 1)) return std::nullopt;
  const Fft2D fft{fast_fft_size(static_cast<std::size_t>(a.height + b.height)),
                  fast_fft_size(static_cast<std::size_t>(a.width + b.width))};
  const Spectra sa = spectra_of(fft, standardised(a, a_inside), a_inside);
  const Spectra sb = spectra_of(fft, standardised(b, b_inside), b_inside);
  const AlignedFloats n = correlated(fft, sa.mask, sb.mask), ab = correlated(fft, sa.value, sb.value),
                      sum_a = correlated(fft, sa.value, sb.mask), sum_b = correlated(fft, sa.mask, sb.value),
                      aa = correlated(fft, sa.square, sb.mask), bb = correlated(fft, sa.mask, sb.square);
  const auto height = static_cast<Index>(fft.height()), width = static_cast<Index>(fft.width());
  const auto correlation = [&](Index dy, Index dx) {
    const Index y = dy < 0 ? dy + height : dy, x = dx < 0 ? dx + width : dx;
    const auto i = static_cast<std::size_t>(y * width + x);
    const auto count = static_cast<double>(n[i]);
    if (count < least) return -2.0;
    const auto u = static_cast<double>(sum_a[i]), v = static_cast<double>(sum_b[i]);
    const double va = static_cast<double>(aa[i]) - u * u / count,
                 vb = static_cast<double>(bb[i]) - v * v / count;
    if (!(va > 1e-3 * count && vb > 1e-3 * count)) return -2.0;
    return (static_cast<double>(ab[i]) - u * v / count) / std::sqrt(va * vb);
  };
  const Index y0 = std::max(centre.y - radius.y, 1 - a.height),
              y1 = std::min(centre.y + radius.y, b.height - 1);
  const Index x0 = std::max(centre.x - radius.x, 1 - a.width),
              x1 = std::min(centre.x + radius.x, b.width - 1);
  Shift peak;
  peak.correlation = -2;
  for (Index dy = y0; dy <= y1; ++dy)
    for (Index dx = x0; dx <= x1; ++dx)
      if (const double c = correlation(dy, dx); c > peak.correlation)
        peak = {static_cast<double>(dy), static_cast<double>(dx), c, 0};
  if (peak.correlation <= -2) return std::nullopt;
  for (Index dy = y0; dy <= y1; ++dy)
    for (Index dx = x0; dx <= x1; ++dx)
      if (std::abs(static_cast<double>(dy) - peak.dy) > 4 || std::abs(static_cast<double>(dx) - peak.dx) > 4)
        peak.second = std::max(peak.second, correlation(dy, dx));
  return peak;
}

}  // namespace petavox::tiles
