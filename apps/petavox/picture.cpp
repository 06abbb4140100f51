#include "apps/petavox/picture.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/base/hash.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::app {
namespace {

constexpr Index piece_bytes = Index{64} << 20;

Index pixels_of(Index voxels, double zoom) {
  return std::max<Index>(1, static_cast<Index>(std::floor(static_cast<double>(voxels) * zoom + 0.5)));
}

/// The voxel shown at pixel `pixel`, counted from the first.
Index voxel_of(Index pixel, double zoom, Index voxels) {
  const double middle = (static_cast<double>(pixel) + 0.5) / zoom;
  return std::clamp<Index>(static_cast<Index>(std::floor(middle)), 0, voxels - 1);
}

/// Calls put(pixel, value) for all pixels, reading the section strip by strip.
template <class Put>
void read_section(const Volume& volume, const Section& section, Put&& put) {
  const Index height = section.height(), width = section.width();
  const int rows = section.row_axis(), columns = section.column_axis();
  const Extent shape = section.box.shape();
  const auto row_bytes = static_cast<Index>(size_of(volume.dtype())) * shape[columns] * volume.channels();
  const Index rows_at_once = std::max<Index>(1, piece_bytes / std::max<Index>(1, row_bytes));
  Index row = 0;
  while (row < height) {
    const Index first = voxel_of(row, section.zoom[0], shape[rows]);
    Index end_row = row;
    while (end_row < height && voxel_of(end_row, section.zoom[0], shape[rows]) < first + rows_at_once)
      ++end_row;
    Box piece = section.box;
    piece.begin[section.axis] = section.at;
    piece.end[section.axis] = section.at + 1;
    piece.begin[rows] = section.box.begin[rows] + first;
    piece.end[rows] = section.box.begin[rows] + voxel_of(end_row - 1, section.zoom[0], shape[rows]) + 1;
    const Array voxels = volume.read_box(piece);
    visit_dtype(volume.dtype(), [&]<class T>(std::type_identity<T>) {
      const auto view = voxels.view<T>();
      Coord p = piece.begin;
      for (; row < end_row; ++row) {
        p[rows] = section.box.begin[rows] + voxel_of(row, section.zoom[0], shape[rows]);
        for (Index column = 0; column < width; ++column) {
          p[columns] = section.box.begin[columns] + voxel_of(column, section.zoom[1], shape[columns]);
          put(usize(row * width + column), view.at(section.channel, p));
        }
      }
    });
  }
}

Rgb from_hue(double hue, double saturation, double value) {
  const double place = (hue - std::floor(hue)) * 6;
  const auto channel = [&](double shift) {
    const double k = std::fmod(place + shift, 6.0);
    const double fall = std::clamp(std::min(k, 4 - k), 0.0, 1.0);
    return static_cast<std::uint8_t>(std::lround(255 * (value - value * saturation * fall)));
  };
  return {channel(5), channel(3), channel(1)};
}

bool is_border(const std::vector<std::uint64_t>& labels, Index width, Index height, Index row, Index column) {
  const std::uint64_t here = labels[usize(row * width + column)];
  return (column + 1 < width && labels[usize(row * width + column + 1)] != here) ||
         (row + 1 < height && labels[usize((row + 1) * width + column)] != here);
}

}  // namespace

Picture::Picture(Index rows, Index columns, Rgb colour)
    : height{rows},
      width{columns},
      pixels(checked_mul(checked_mul(usize(rows), usize(columns)), std::size_t{3})) {
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = colour[i % 3];
}

Index Section::height() const { return pixels_of(box.shape()[row_axis()], zoom[0]); }
Index Section::width() const { return pixels_of(box.shape()[column_axis()], zoom[1]); }

std::vector<double> read_values(const Volume& volume, const Section& section) {
  std::vector<double> values(checked_mul(usize(section.height()), usize(section.width())));
  read_section(volume, section,
               [&](std::size_t pixel, auto value) { values[pixel] = static_cast<double>(value); });
  return values;
}

std::vector<std::uint64_t> read_labels(const Volume& volume, const Section& section) {
  std::vector<std::uint64_t> labels(checked_mul(usize(section.height()), usize(section.width())));
  read_section(volume, section,
               [&](std::size_t pixel, auto value) { labels[pixel] = static_cast<std::uint64_t>(value); });
  return labels;
}

std::array<double, 2> stretch_limits(std::vector<double> values, double percent) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  if (values.empty()) return {0, 1};
  const auto cut = static_cast<std::size_t>(static_cast<double>(values.size() - 1) * percent / 100);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(cut), values.end());
  const double low = values[cut];
  const std::size_t top = values.size() - 1 - cut;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(top), values.end());
  const double high = values[top];
  return {low, high > low ? high : low + 1};
}

Picture grey_picture(const std::vector<double>& values, const Section& section,
                     std::array<double, 2> limits) {
  Picture picture{section.height(), section.width()};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double share = (values[i] - limits[0]) / (limits[1] - limits[0]);
    const double grey = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) * 255 : 0;
    std::fill_n(picture.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3,
                static_cast<std::uint8_t>(std::lround(grey)));
  }
  return picture;
}

Rgb label_colour(std::uint64_t label) {
  if (label == 0) return {0, 0, 0};
  const std::uint64_t h = mix64(label * 0x9e3779b97f4a7c15ULL + 1);
  const double hue = static_cast<double>(h >> 40) / static_cast<double>(1 << 24);
  // Neighbours of like hue still differ in how strong and how bright they are.
  const double saturation = 0.4 + 0.5 * static_cast<double>(h % 256) / 255;
  const double value = 0.62 + 0.38 * static_cast<double>((h >> 8) % 256) / 255;
  return from_hue(hue, saturation, value);
}

Picture label_picture(const std::vector<std::uint64_t>& labels, const Section& section) {
  Picture picture{section.height(), section.width()};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Rgb colour = label_colour(labels[i]);
    std::copy(colour.begin(), colour.end(), picture.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  return picture;
}

void overlay_labels(Picture& picture, const std::vector<std::uint64_t>& labels, double strength) {
  PETAVOX_ASSERT(labels.size() * 3 == picture.pixels.size());
  for (Index row = 0; row < picture.height; ++row)
    for (Index column = 0; column < picture.width; ++column) {
      const std::uint64_t label = labels[usize(row * picture.width + column)];
      if (label == 0) continue;
      const Rgb colour = label_colour(label);
      const double share = is_border(labels, picture.width, picture.height, row, column) ? 1.0 : strength;
      std::uint8_t* pixel = picture.at(row, column);
      for (std::size_t c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(std::lround(pixel[c] + (colour[c] - pixel[c]) * share));
    }
}

Picture montage(const std::vector<Picture>& pictures, Index columns) {
  PETAVOX_ASSERT(!pictures.empty() && columns > 0);
  constexpr Index line = 2;
  const auto count = static_cast<Index>(pictures.size());
  columns = std::min(columns, count);
  const Index rows = (count + columns - 1) / columns;
  const Index height = pictures.front().height, width = pictures.front().width;
  Picture all{rows * (height + line) - line, columns * (width + line) - line, {255, 255, 255}};
  for (Index i = 0; i < count; ++i) {
    const Picture& one = pictures[usize(i)];
    PETAVOX_ASSERT(one.height == height && one.width == width);
    for (Index row = 0; row < height; ++row)
      std::copy_n(one.at(row, 0), 3 * width,
                  all.at(i / columns * (height + line) + row, i % columns * (width + line)));
  }
  return all;
}

}  // namespace petavox::app
