#include "stages/align/match.hpp"

#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {
namespace {

constexpr double none = -2;  // no correlation is known here
constexpr int peak_exclusion = 5, sharpness_distance = 3;

std::size_t area(int side) { return static_cast<std::size_t>(side) * static_cast<std::size_t>(side); }

}  // namespace

Matcher::Matcher(const MatchSettings& settings)
    : settings_{settings},
      fft_{static_cast<std::size_t>(settings.window()), static_cast<std::size_t>(settings.window())},
      scratch_{fft_.num_reals()},
      product_{fft_.num_spectrum()},
      map_(area(2 * settings.radius + 1)) {
  for (AlignedFloats& plane : planes_) plane = AlignedFloats{fft_.num_reals()};
}

// ---------------------------------------------------------------- patches and windows

namespace {

struct PixelSums {
  std::int64_t count = 0, sum = 0, square = 0;
};

/// Of the valid pixels. By rows in 32 bits, which vectorise: v^2 = 65536 h^2 + 512 h l + l^2 with h = v /
/// 256, l = v % 256, and a side is at most 2048.
PixelSums sums_of(const std::uint16_t* pixels, const std::uint8_t* valid, std::size_t side) {
  PixelSums sums;
  for (std::size_t y = 0; y < side; ++y, pixels += side, valid += side) {
    std::int32_t count = 0, sum = 0, low = 0, mixed = 0, high = 0;
    for (std::size_t x = 0; x < side; ++x) {
      const auto in_use = static_cast<std::int16_t>(valid[x] != 0 ? -1 : 0);
      const auto v = static_cast<std::uint16_t>(pixels[x] & static_cast<std::uint16_t>(in_use));
      const auto l = static_cast<std::int16_t>(v & 255), h = static_cast<std::int16_t>(v >> 8);
      count -= in_use;
      sum += v;
      low += l * l;
      mixed += h * l;
      high += h * h;
    }
    sums.count += count;
    sums.sum += sum;
    sums.square += (std::int64_t{high} << 16) + (std::int64_t{mixed} << 9) + low;
  }
  return sums;
}

}  // namespace

// A patch or window lies in the first corner of the transform, zeros beside it.
template <class Value>
void Matcher::transform(int side, AlignedFloats& spectrum, const Value& value) {
  const auto w = fft_.width(), n = static_cast<std::size_t>(side);
  if (spectrum.size() == 0) spectrum = AlignedFloats{fft_.num_spectrum()};
  for (std::size_t y = 0; y < w; ++y) {
    float* const row = scratch_.data() + y * w;
    const std::size_t filled = y < n ? n : 0;
    for (std::size_t x = 0; x < filled; ++x) row[x] = value(y * n + x);
    std::fill(row + filled, row + w, 0.0F);
  }
  fft_.forward(scratch_, spectrum);
}

void Matcher::prepare(const std::uint16_t* pixels, const std::uint8_t* valid, int side, Prepared& out) {
  const std::size_t size = area(side);
  const auto [count, sum, square] = sums_of(pixels, valid, static_cast<std::size_t>(side));
  const auto n = static_cast<double>(std::max<std::int64_t>(1, count));
  const double mean = static_cast<double>(sum) / n;
  out.side = side;
  out.full = count == static_cast<std::int64_t>(size);
  out.masked = false;
  out.share = static_cast<double>(count) / static_cast<double>(size);
  out.variance_sum = std::max(0.0, static_cast<double>(square) - mean * static_cast<double>(sum));
  out.contrast = std::sqrt(out.variance_sum / n);
  out.centred.resize(size);
  out.valid.resize(size);
  for (std::size_t i = 0; i < size; ++i) out.valid[i] = valid[i] != 0 ? 1 : 0;
  for (std::size_t i = 0; i < size; ++i)
    out.centred[i] = static_cast<float>(static_cast<double>(pixels[i]) - mean);
  if (!out.full)
    for (std::size_t i = 0; i < size; ++i) out.centred[i] = valid[i] != 0 ? out.centred[i] : 0.0F;
  transform(side, out.values, [&](std::size_t i) { return out.centred[i]; });
}

void Matcher::prepare_patch(const std::uint16_t* pixels, const std::uint8_t* valid, Prepared& out) {
  prepare(pixels, valid, settings_.patch, out);
}

void Matcher::prepare_window(const std::uint16_t* pixels, const std::uint8_t* valid, Prepared& out) {
  prepare(pixels, valid, settings_.window(), out);
  if (out.full) add_integrals(pixels, out);
}

void Matcher::add_integrals(const std::uint16_t* pixels, Prepared& out) const {
  const auto side = static_cast<std::size_t>(out.side), row = side + 1;
  out.sums.assign(row * row, 0);
  out.square_sums.assign(row * row, 0);
  for (std::size_t y = 0; y < side; ++y) {
    std::int64_t line = 0, line_square = 0;
    for (std::size_t x = 0; x < side; ++x) {
      const std::int64_t v = pixels[y * side + x];
      line += v;
      line_square += v * v;
      out.sums[(y + 1) * row + x + 1] = out.sums[y * row + x + 1] + line;
      out.square_sums[(y + 1) * row + x + 1] = out.square_sums[y * row + x + 1] + line_square;
    }
  }
}

void Matcher::add_masked(Prepared& out) {
  if (out.masked) return;
  transform(out.side, out.squares, [&](std::size_t i) { return out.centred[i] * out.centred[i]; });
  transform(out.side, out.mask, [&](std::size_t i) { return static_cast<float>(out.valid[i]); });
  out.masked = true;
}

// ---------------------------------------------------------------- correlations

void Matcher::correlate(const AlignedFloats& a, const AlignedFloats& b, AlignedFloats& reals) {
  correlate_spectra(a, b, product_);
  fft_.inverse(product_, reals);
}

// The patch has mean 0, so that the numerator does not see the window's mean.
void Matcher::map_of_full(const Prepared& patch, const Prepared& window) {
  correlate(patch.values, window.values, planes_[0]);
  const int r = 2 * settings_.radius + 1;
  const auto p = static_cast<std::size_t>(settings_.patch), w = fft_.width();
  const auto row = static_cast<std::size_t>(window.side) + 1;
  const double scale = 1 / static_cast<double>(fft_.num_reals());
  const double count = static_cast<double>(area(settings_.patch));
  for (std::size_t y = 0; y < static_cast<std::size_t>(r); ++y)
    for (std::size_t x = 0; x < static_cast<std::size_t>(r); ++x) {
      const auto box = [&](const std::vector<std::int64_t>& s) {
        return static_cast<double>(s[(y + p) * row + x + p] - s[y * row + x + p] - s[(y + p) * row + x] +
                                   s[y * row + x]);
      };
      const double sum = box(window.sums), variance = box(window.square_sums) - sum * sum / count;
      const double norm = patch.variance_sum * variance;
      const double least = settings_.min_contrast * settings_.min_contrast * count;
      map_[y * static_cast<std::size_t>(r) + x] =
          variance < least ? none : scale * static_cast<double>(planes_[0][y * w + x]) / std::sqrt(norm);
    }
}

void Matcher::map_of_masked(const Prepared& patch, const Prepared& window) {
  correlate(patch.values, window.values, planes_[0]);
  correlate(patch.mask, window.mask, planes_[1]);    // pixels valid in both
  correlate(patch.values, window.mask, planes_[2]);  // sums and sums of squares over these
  correlate(patch.mask, window.values, planes_[3]);
  correlate(patch.squares, window.mask, planes_[4]);
  correlate(patch.mask, window.squares, planes_[5]);
  const int r = 2 * settings_.radius + 1;
  const auto w = fft_.width();
  const double scale = 1 / static_cast<double>(fft_.num_reals());
  const double least_count = settings_.min_valid * static_cast<double>(area(settings_.patch));
  const double least = settings_.min_contrast * settings_.min_contrast;
  for (std::size_t y = 0; y < static_cast<std::size_t>(r); ++y)
    for (std::size_t x = 0; x < static_cast<std::size_t>(r); ++x) {
      const std::size_t at = y * w + x;
      const auto plane = [&](int i) { return scale * static_cast<double>(planes_[i][at]); };
      const double n = std::max(1.0, plane(1)), a = plane(2), b = plane(3);
      const double numerator = plane(0) - a * b / n;
      const double patch_variance = plane(4) - a * a / n, window_variance = plane(5) - b * b / n;
      const bool known = n >= least_count && patch_variance >= least * n && window_variance >= least * n;
      const double c = known ? numerator / std::sqrt(patch_variance * window_variance) : none;
      map_[y * static_cast<std::size_t>(r) + x] = c;
    }
}

// ---------------------------------------------------------------- the peak

Match Matcher::find_peak() const {
  Match match;
  const int r = settings_.radius, side = 2 * r + 1;
  const auto at = [&](int y, int x) { return map_[static_cast<std::size_t>(y * side + x)]; };
  int py = 0, px = 0;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      if (at(y, x) > at(py, px)) py = y, px = x;
  if (at(py, px) <= none) return match;
  match.peak = at(py, px);
  double second = none;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      if (std::abs(y - py) > peak_exclusion || std::abs(x - px) > peak_exclusion)
        second = std::max(second, at(y, x));
  match.ratio = second > 0.01 * match.peak ? match.peak / second : 100;
  double ring = 0;
  int ring_count = 0;
  for (const int y : {py - sharpness_distance, py, py + sharpness_distance})
    for (const int x : {px - sharpness_distance, px, px + sharpness_distance}) {
      if ((y == py && x == px) || y < 0 || y >= side || x < 0 || x >= side || at(y, x) <= none) continue;
      ring += at(y, x);
      ++ring_count;
    }
  match.sharpness = ring_count > 0 ? match.peak - ring / ring_count : 0;
  match.dy = py - r;
  match.dx = px - r;
  match.state = MatchState::good;
  if (py == 0 || px == 0 || py == side - 1 || px == side - 1) {
    match.state = MatchState::at_edge;
    return match;
  }
  // The vertex of the parabola through three correlations, on each axis.
  const auto vertex = [](double low, double middle, double high) {
    return low > none && high > none ? coarse_align::vertex(low, middle, high) : 0.0;
  };
  match.dy += vertex(at(py - 1, px), at(py, px), at(py + 1, px));
  match.dx += vertex(at(py, px - 1), at(py, px), at(py, px + 1));
  return match;
}

Match Matcher::match(Prepared& patch, Prepared& window) {
  if (patch.share < settings_.min_valid || patch.contrast < settings_.min_contrast || window.share <= 0)
    return {};
  if (patch.full && window.full) {
    map_of_full(patch, window);
  } else {
    add_masked(patch);
    add_masked(window);
    map_of_masked(patch, window);
  }
  return find_peak();
}

}  // namespace petavox::align
