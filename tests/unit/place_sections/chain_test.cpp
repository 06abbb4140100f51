// From pairs to places, what of them is the course of tissue, and what order says.

#include "stages/place_sections/chain.hpp"

#include "stages/place_sections/course.hpp"
#include "stages/place_sections/evidence.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox::place_sections {
namespace {

const Box frame{{0, 0, 0}, {1, 200, 200}};

Affine turned(double radians, double dy, double dx) {
  Affine t;
  t.yy = t.xx = std::cos(radians);
  t.yx = std::sin(radians);
  t.xy = -t.yx;
  t.y0 = dy;
  t.x0 = dx;
  return t;
}

/// Section z shows the canvas through places[z]; the pair of z and z - d as it would be found.
PairLink link(const std::vector<Affine>& places, Index z, int d, double confidence = 0.5) {
  const auto at = [&](Index i) { return places[static_cast<std::size_t>(i)]; };
  return {z, d, at(z - d).after(at(z).inverse()), confidence};
}

/// Largest distance of a from b over the corners of the frame.
double apart(const Affine& a, const Affine& b) {
  double most = 0;
  for (const double y : {0.0, 200.0})
    for (const double x : {0.0, 200.0})
      most = std::max(most, std::hypot(a.y(y, x) - b.y(y, x), a.x(y, x) - b.x(y, x)));
  return most;
}

TEST(Chain, BridgesABadSectionAndKeepsTheTypicalFrame) {
  std::vector<Affine> places(7);
  places[3] = turned(3.14159, 200, 200);
  places[6] = turned(0.1, 5, -3);
  std::vector<PairLink> links;
  for (const Index z : {1, 2, 3, 6}) links.push_back(link(places, z, 1));
  links.push_back(link(places, 5, 2));  // section 4 is bad
  const std::vector<Placed> placed = chain(7, links, frame);
  for (Index z = 0; z < 7; ++z) {
    const Placed& p = placed[static_cast<std::size_t>(z)];
    EXPECT_EQ(p.found, z != 4) << z;
    // Section 4 lies like the nearest one that has a place.
    const Affine& expected = places[static_cast<std::size_t>(z == 4 ? 3 : z)];
    EXPECT_LT(apart(p.from_canvas, expected), 1e-6) << z;
  }
}

TEST(Chain, PrefersTheSurerWay) {
  std::vector<Affine> places(3);
  std::vector<PairLink> links{link(places, 1, 1, 0.9), link(places, 2, 2, 0.8), link(places, 2, 1, 0.2)};
  links[2].to_fixed = turned(1, 50, 0);  // a wrong pair, and a weak one
  EXPECT_LT(apart(chain(3, links, frame)[2].from_canvas, Affine{}), 1e-9);
}

TEST(Chain, GroupsThatNothingConnectKeepTogether) {
  std::vector<Affine> places{{}, {}, {}, turned(0.5, 9, 9), turned(0.7, -4, 2)};
  const std::vector<Placed> placed =
      chain(5, {link(places, 1, 1), link(places, 2, 1), link(places, 4, 1)}, frame);
  EXPECT_FALSE(placed[3].found);
  EXPECT_FALSE(placed[4].found);
  const Affine between = placed[4].from_canvas.after(placed[3].from_canvas.inverse());
  EXPECT_LT(apart(between, places[4].after(places[3].inverse())), 1e-6);
}

/// A number between -1 and 1, another for each i.
double noise(Index i) { return std::sin(12.9898 * static_cast<double>(i * i % 1009)); }

TEST(Course, SlowShiftsStayAndSuddenOnesGo) {
  // Sections shifted each by its own error, while matched tissue runs obliquely: the canvas that matching
  // makes straight shows section z at error + course.
  constexpr Index sections = 60;
  std::vector<Placed> placed(sections);
  for (Index z = 0; z < sections; ++z) {
    const double course = 0.5 * static_cast<double>(z) + 6 * std::sin(static_cast<double>(z) / 15);
    placed[static_cast<std::size_t>(z)] = {turned(0, 3 * noise(z) + course, 3 * noise(z + 777)), true, 1};
  }
  keep_course(placed, frame);
  double sum = 0;
  for (Index z = 0; z < sections; ++z) {
    const Affine& t = placed[static_cast<std::size_t>(z)].from_canvas;
    sum += std::pow(t.y0 - 3 * noise(z), 2) + std::pow(t.x0 - 3 * noise(z + 777), 2);
  }
  EXPECT_LT(std::sqrt(sum / sections), 1.6);  // of up to 30 pixels of course
}

TEST(Course, ASectionTurnedRoundDoesNotSpeak) {
  std::vector<Placed> placed(40);
  for (std::size_t z = 0; z < placed.size(); ++z)
    placed[z] = {turned(0, 0.5 * static_cast<double>(z), 0), true, 1};
  placed[9].from_canvas = turned(3.14159265, 199, 199);
  keep_course(placed, frame);
  EXPECT_LT(apart(placed[8].from_canvas, Affine{}), 0.01);
  EXPECT_LT(apart(placed[39].from_canvas, Affine{}), 0.01);
  // It moves with its neighbours.
  EXPECT_LT(apart(placed[9].from_canvas, turned(3.14159265, 199 + 4.5, 199)), 0.01);
}

TEST(Course, TurnsOfSectionsNeitherHideTheCourseNorMakeOne) {
  // Each section turned by up to 40 degrees about its middle, larger or smaller and a little shifted, while
  // matched tissue runs obliquely and widens slowly.
  constexpr Index sections = 80;
  constexpr double middle = 99.5;
  std::vector<Placed> placed(sections);
  std::vector<Affine> own(sections);
  for (Index z = 0; z < sections; ++z) {
    const auto i = static_cast<std::size_t>(z);
    Affine t = turned(0.7 * noise(z), 0, 0);
    const double size = 1 + 0.04 * noise(z + 300);
    for (double* v : {&t.yy, &t.yx, &t.xy, &t.xx}) *v *= size;
    t.y0 = middle - (t.yy + t.yx) * middle + 3 * noise(z + 777);
    t.x0 = middle - (t.xy + t.xx) * middle + 3 * noise(z + 555);
    own[i] = t;
    Affine course;
    course.yy = 1 + 0.001 * static_cast<double>(z - 40);
    course.y0 = 0.4 * static_cast<double>(z);
    course.x0 = 8 * std::sin(static_cast<double>(z) / 15);
    placed[i] = {t.after(course), true, 1};
  }
  keep_course(placed, frame);
  // What is left, seen from the section, is the same for all.
  const auto left = [&](std::size_t z) { return own[z].inverse().after(placed[z].from_canvas); };
  double most = 0;
  for (std::size_t z = 5; z + 5 < placed.size(); ++z) most = std::max(most, apart(left(z), left(40)));
  EXPECT_LT(most, 4);  // of some 40 pixels of course
  const auto turn = [](const Affine& t) { return std::atan2(t.xy - t.yx, t.yy + t.xx); };
  for (std::size_t z = 0; z < placed.size(); ++z) EXPECT_NEAR(turn(left(z)), turn(left(40)), 0.02) << z;
}

/// Sections of which those that are near in truth are alike; `truth[z]` is the true place of section z.
LikenessTable alike(const std::vector<Index>& truth, Index reach) {
  LikenessTable table(truth.size(), std::vector<double>(static_cast<std::size_t>(reach), -1));
  for (std::size_t z = 0; z < truth.size(); ++z)
    for (std::size_t d = 1; d <= static_cast<std::size_t>(reach) && d <= z; ++d) {
      const auto far = static_cast<double>(std::abs(truth[z] - truth[z - d]));
      table[z][d - 1] = truth[z] < 0 || truth[z - d] < 0 ? 0.05 : 0.9 / far;
    }
  return table;
}

TEST(Order, TheRightOrderIsNotComplainedAbout) {
  EXPECT_TRUE(wrong_order(alike({0, 1, 2, 3, 4, 5, 6}, 3), 0.05, 0).empty());
  // Nor sections that are like nothing.
  EXPECT_TRUE(wrong_order(alike({0, 1, -9, 3, 4, -99, 6, -5}, 3), 0.05, 0).empty());
  EXPECT_TRUE(wrong_order(alike({0}, 3), 0.05, 0).empty());
}

TEST(Order, SwappedAndMovedSectionsAreNamedWithEvidence) {
  const auto swapped = wrong_order(alike({0, 1, 2, 4, 3, 5, 6, 7}, 3), 0.05, 100);
  ASSERT_EQ(swapped.size(), 1U);
  EXPECT_TRUE(swapped[0].z == 3 || swapped[0].z == 4);
  EXPECT_NE(swapped[0].evidence.find("it seems to belong there"), std::string::npos);
  EXPECT_NE(swapped[0].evidence.find("10"), std::string::npos);
  const auto moved = wrong_order(alike({0, 1, 4, 2, 3, 5, 6, 7}, 3), 0.05, 0);
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved[0].z, 2);
}

}  // namespace
}  // namespace petavox::place_sections
