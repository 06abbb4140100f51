#pragma once
// Pictures of sections: grey values stretched to fixed percentiles, labels in colours that a label keeps in
// every picture, borders between labels, several sections side by side. Rows from the top. Values, not
// synchronised.

#include "petavox/volume/volume.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace petavox::app {

using Rgb = std::array<std::uint8_t, 3>;

struct Picture {
  Index height = 0, width = 0;
  std::vector<std::uint8_t> pixels;  ///< height x width x 3

  Picture() = default;
  Picture(Index rows, Index columns, Rgb colour = {0, 0, 0});
  std::uint8_t* at(Index row, Index column) { return pixels.data() + 3 * (row * width + column); }
  const std::uint8_t* at(Index row, Index column) const { return pixels.data() + 3 * (row * width + column); }
};

/// Which voxels a picture shows: the section `at` of `box` across `axis`, each voxel drawn `zoom` pixels high
/// and wide (below 1: only some voxels are shown). zoom is per row and column.
struct Section {
  Box box;
  int axis = 0;  ///< 0 z, 1 y, 2 x
  Index at = 0;
  int channel = 0;
  std::array<double, 2> zoom{1, 1};

  /// The axes that run down and to the right: y and x, or z and x, or z and y.
  int row_axis() const { return axis == 0 ? 1 : 0; }
  int column_axis() const { return axis == 2 ? 1 : 2; }
  Index height() const;
  Index width() const;
};

/// The voxels of a section, one for each pixel; reads no more than about 64 MiB at a time.
std::vector<double> read_values(const Volume& volume, const Section& section);
std::vector<std::uint64_t> read_labels(const Volume& volume, const Section& section);

/// The grey values that become black and white: where `percent` of the finite values lie below and above.
/// Equal values give a range of 1.
std::array<double, 2> stretch_limits(std::vector<double> values, double percent);
Picture grey_picture(const std::vector<double>& values, const Section& section, std::array<double, 2> limits);

/// Black for 0; else a colour that depends on the label alone, bright enough to see on black.
Rgb label_colour(std::uint64_t label);
Picture label_picture(const std::vector<std::uint64_t>& labels, const Section& section);
/// Colours labels into a picture of the same section: `strength` 0..1 inside, full on the borders between
/// labels. 0 is left as it is.
void overlay_labels(Picture& picture, const std::vector<std::uint64_t>& labels, double strength);

/// Pictures of one size in rows of `columns`, with a white line between.
Picture montage(const std::vector<Picture>& pictures, Index columns);

}  // namespace petavox::app
