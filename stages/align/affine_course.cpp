#include "stages/align/affine_course.hpp"

#include "stages/align/course.hpp"
#include "stages/coarse_align/plane.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>

namespace petavox::align {
namespace {

/// Some numbers of each section, section by section.
struct Series {
  Index sections = 0, columns = 0;
  std::vector<double> values;
  Series(Index n, Index c) : sections{n}, columns{c}, values(static_cast<std::size_t>(n * c)) {}
  double& at(Index z, Index c) { return values[static_cast<std::size_t>(z * columns + c)]; }
  double at(Index z, Index c) const { return values[static_cast<std::size_t>(z * columns + c)]; }
};

void fill(Series& series, Index c, double value) {
  for (Index z = 0; z < series.sections; ++z) series.at(z, c) = value;
}

void keep_slow_part(Series& series, const std::vector<double>& weights, Course kind) {
  constexpr double least_px = 0.05;
  auto course = course_shown(series.values, series.sections, series.columns, least_px, weights);
  if (course) series.values = std::move(*course);
  for (Index c = 0; c < series.columns; ++c) {
    if (kind == Course::changes) {
      double mean = 0;
      for (Index z = 0; z < series.sections; ++z) mean += series.at(z, c);
      mean /= static_cast<double>(series.sections);
      for (Index z = 0; z < series.sections; ++z) series.at(z, c) = course ? series.at(z, c) - mean : 0;
    } else if (!course) {
      std::vector<double> column;
      for (Index z = 0; z < series.sections; ++z)
        if (weights[static_cast<std::size_t>(z)] > 0) column.push_back(series.at(z, c));
      fill(series, c, coarse_align::median(column));
    }
  }
}

}  // namespace

std::vector<Placement> affine_course(std::span<const Placement> from_canvas, std::vector<double> weights,
                                     Vec2 middle, double radius, Course kind) {
  const auto sections = static_cast<Index>(from_canvas.size());
  std::vector<Placement> courses(from_canvas.size());
  // In pixels at the radius. Seen from the section, since what was done to it comes first and the course
  // last: so a section's own turn mixes neither with its shift nor with its stretch.
  Series turns{sections, 1}, sizes{sections, 1}, strains{sections, 2}, shifts{sections, 2};
  for (Index z = 0; z < sections; ++z) {
    const Placement& p = from_canvas[static_cast<std::size_t>(z)];
    double& weight = weights[static_cast<std::size_t>(z)];
    const double determinant = p.determinant();
    const Placement to_canvas = determinant == 0 ? Placement{} : p.inverse();
    if (!(weight > 0 && determinant > 0 && to_canvas.yy + to_canvas.xx > 0)) {
      weight = 0;
      continue;
    }
    const coarse_align::Polar polar = coarse_align::polar_of(to_canvas);
    turns.at(z, 0) = radius * polar.angle;
    sizes.at(z, 0) = radius * (0.5 * (polar.yy + polar.xx) - 1);
    strains.at(z, 0) = radius * 0.5 * (polar.yy - polar.xx);
    strains.at(z, 1) = radius * polar.yx;
    shifts.at(z, 0) = to_canvas.y(middle.y, middle.x) - middle.y;
    shifts.at(z, 1) = to_canvas.x(middle.y, middle.x) - middle.x;
  }
  if (sections - std::ranges::count(weights, 0.0) < enough_for_course) return courses;
  for (Series* s : {&turns, &sizes, &strains, &shifts}) keep_slow_part(*s, weights, kind);
  for (Index z = 0; z < sections; ++z) {
    const auto [sine, cosine] = coarse_align::direction_of(turns.at(z, 0) / radius);
    const double size = 1 + sizes.at(z, 0) / radius;
    const double yy = size + strains.at(z, 0) / radius, xx = size - strains.at(z, 0) / radius;
    const double yx = strains.at(z, 1) / radius;
    Placement course;
    course.yy = yy * cosine + yx * sine;
    course.yx = yx * cosine - yy * sine;
    course.xy = yx * cosine + xx * sine;
    course.xx = xx * cosine - yx * sine;
    course.y0 = middle.y + shifts.at(z, 0) - (course.yy * middle.y + course.yx * middle.x);
    course.x0 = middle.x + shifts.at(z, 1) - (course.xy * middle.y + course.xx * middle.x);
    if (course.determinant() > 0.25) courses[static_cast<std::size_t>(z)] = course;
  }
  return courses;
}

}  // namespace petavox::align
