// Pictures: which voxel is at which pixel, stretching, colours, borders, montage.

#include "apps/petavox/picture.hpp"

#include "petavox/volume/memory_volume.hpp"

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

namespace petavox::app {
namespace {

/// Voxel (z, y, x) is 100 z + 10 y + x.
MemoryVolume counting(Extent shape) {
  MemoryVolume volume{DType::u16, Box::from({}, shape)};
  const auto view = volume.array().view<std::uint16_t>();
  volume.domain().for_each(
      [&](Coord p) { view[p] = static_cast<std::uint16_t>(100 * p.z + 10 * p.y + p.x); });
  return volume;
}

Section section_of(const Box& box, int axis, Index at, double zoom = 1) {
  Section section;
  section.box = box;
  section.axis = axis;
  section.at = at;
  section.zoom = {zoom, zoom};
  return section;
}

TEST(Section, ShowsRowsAndColumnsOfEachAxis) {
  const MemoryVolume volume = counting({3, 4, 5});
  const Box all = volume.domain();
  EXPECT_EQ(read_values(volume, section_of(all, 0, 2))[1 * 5 + 3], 213);
  EXPECT_EQ(read_values(volume, section_of(all, 1, 3))[2 * 5 + 4], 234);
  EXPECT_EQ(read_values(volume, section_of(all, 2, 4))[1 * 4 + 2], 124);
  const Box part{{1, 1, 2}, {3, 4, 5}};
  const auto values = read_values(volume, section_of(part, 0, 1));
  ASSERT_EQ(values.size(), 9U);
  EXPECT_EQ(values[0], 112);
  EXPECT_EQ(values[8], 134);
}

TEST(Section, GrowsAndShrinks) {
  const MemoryVolume volume = counting({1, 4, 4});
  const auto grown = read_values(volume, section_of(volume.domain(), 0, 0, 2));
  ASSERT_EQ(grown.size(), 64U);
  EXPECT_EQ(grown[0], 0);
  EXPECT_EQ(grown[1], 0);
  EXPECT_EQ(grown[2], 1);
  EXPECT_EQ(grown[8 * 2], 10);
  const auto shrunk = read_values(volume, section_of(volume.domain(), 0, 0, 0.5));
  EXPECT_EQ(shrunk, (std::vector<double>{11, 13, 31, 33}));
  Section stretched = section_of(volume.domain(), 0, 0);
  stretched.zoom = {3, 1};
  EXPECT_EQ(stretched.height(), 12);
  EXPECT_EQ(stretched.width(), 4);
  // Never nothing.
  EXPECT_EQ(section_of(volume.domain(), 0, 0, 1.0 / 64).height(), 1);
}

TEST(Picture, IsStretchedBetweenPercentiles) {
  std::vector<double> values(1001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>((i * 8) % 1001);
  const auto limits = stretch_limits(values, 1);
  EXPECT_EQ(limits, (std::array<double, 2>{10, 990}));
  EXPECT_EQ(stretch_limits({5, 5, 5}, 1), (std::array<double, 2>{5, 6}));
  EXPECT_EQ(stretch_limits({}, 1), (std::array<double, 2>{0, 1}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(stretch_limits({nan, 2, 4}, 0), (std::array<double, 2>{2, 4}));

  const Section section = section_of({{0, 0, 0}, {1, 1, 4}}, 0, 0);
  const Picture picture = grey_picture({-5, 0, 50, nan}, section, {0, 100});
  EXPECT_EQ(picture.at(0, 0)[0], 0);
  EXPECT_EQ(picture.at(0, 2)[0], 128);
  EXPECT_EQ(picture.at(0, 2)[1], 128);
  EXPECT_EQ(picture.at(0, 3)[0], 0);
}

TEST(Labels, HaveColoursOfTheirOwn) {
  EXPECT_EQ(label_colour(0), (Rgb{0, 0, 0}));
  EXPECT_EQ(label_colour(7), label_colour(7));
  std::set<Rgb> colours;
  for (std::uint64_t label = 1; label <= 500; ++label) {
    const Rgb colour = label_colour(label);
    EXPECT_GE(std::max({colour[0], colour[1], colour[2]}), 150) << "dark on black";
    colours.insert(colour);
  }
  EXPECT_GT(colours.size(), 490U);
}

TEST(Labels, ColourThePictureAndItsBorders) {
  const Section section = section_of({{0, 0, 0}, {1, 1, 5}}, 0, 0);
  Picture picture{1, 5, {100, 100, 100}};
  const std::vector<std::uint64_t> labels{0, 3, 3, 3, 9};
  overlay_labels(picture, labels, 0.5);
  const auto pixel = [&](Index column) {
    return Rgb{picture.at(0, column)[0], picture.at(0, column)[1], picture.at(0, column)[2]};
  };
  const Rgb three = label_colour(3);
  EXPECT_EQ(pixel(0), (Rgb{100, 100, 100})) << "background is left as it is";
  EXPECT_EQ(pixel(1)[0], std::lround(100 + (three[0] - 100) * 0.5));
  EXPECT_EQ(pixel(3), three) << "a border is drawn in full";
  EXPECT_EQ(label_picture(labels, section).at(0, 4)[1], label_colour(9)[1]);
}

TEST(Picture, MontagePutsOneBesideTheOther) {
  const std::vector<Picture> pictures(3, Picture{2, 3, {9, 9, 9}});
  const Picture all = montage(pictures, 2);
  EXPECT_EQ(all.height, 2 + 2 + 2);
  EXPECT_EQ(all.width, 3 + 2 + 3);
  EXPECT_EQ(all.at(0, 0)[0], 9);
  EXPECT_EQ(all.at(0, 3)[0], 255);
  EXPECT_EQ(all.at(4, 0)[0], 9);
  EXPECT_EQ(all.at(4, 5)[0], 255) << "no fourth picture";
}

}  // namespace
}  // namespace petavox::app
