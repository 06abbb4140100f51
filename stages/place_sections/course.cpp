#include "stages/place_sections/course.hpp"

#include "stages/align/course.hpp"
#include "stages/coarse_align/plane.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>

namespace petavox::place_sections {
namespace {

/// Some numbers of each section, section by section.
struct Series {
  Index sections = 0, columns = 0;
  std::vector<double> values;
  double& at(Index z, Index c) { return values[static_cast<std::size_t>(z * columns + c)]; }
  double at(Index z, Index c) const { return values[static_cast<std::size_t>(z * columns + c)]; }
};

/// The course that a series shows; the median of each column if it shows none.
void keep_slow_part(Series& series, const std::vector<double>& weights) {
  constexpr double least_px = 0.05;
  if (auto course = align::course_shown(series.values, series.sections, series.columns, least_px, weights)) {
    series.values = std::move(*course);
    return;
  }
  for (Index c = 0; c < series.columns; ++c) {
    std::vector<double> column;
    for (Index z = 0; z < series.sections; ++z)
      if (weights[static_cast<std::size_t>(z)] > 0) column.push_back(series.at(z, c));
    const double middle = coarse_align::median(column);
    for (Index z = 0; z < series.sections; ++z) series.at(z, c) = middle;
  }
}

}  // namespace

void keep_course(std::vector<Placed>& placed, const Box& frame) {
  const auto sections = static_cast<Index>(placed.size());
  const auto middle = [](Index a, Index b) { return 0.5 * static_cast<double>(a + b - 1); };
  const double cy = middle(frame.begin.y, frame.end.y), cx = middle(frame.begin.x, frame.end.x);
  const Extent shape = frame.shape();
  const double radius = 0.25 * static_cast<double>(std::max(shape.y, shape.x));
  const auto series = [&](Index columns) {
    return Series{sections, columns, std::vector<double>(static_cast<std::size_t>(columns * sections))};
  };
  // In pixels at the radius. Seen from the section, since what was done to it comes first and the course
  // last: so a section's own turn mixes neither with its shift nor with its stretch.
  Series turns = series(1), sizes = series(1), strains = series(2), shifts = series(2);
  std::vector<double> weights;
  for (Index z = 0; z < sections; ++z) {
    const Placed& p = placed[static_cast<std::size_t>(z)];
    const double determinant = p.from_canvas.determinant();
    const Affine to_canvas = determinant == 0 ? Affine{} : p.from_canvas.inverse();
    const bool speaks = p.found && determinant > 0 && to_canvas.yy + to_canvas.xx > 0;
    weights.push_back(speaks ? 1 : 0);
    if (!speaks) continue;
    const coarse_align::Polar polar = coarse_align::polar_of(to_canvas);
    turns.at(z, 0) = radius * polar.angle;
    sizes.at(z, 0) = radius * (0.5 * (polar.yy + polar.xx) - 1);
    strains.at(z, 0) = radius * 0.5 * (polar.yy - polar.xx);
    strains.at(z, 1) = radius * polar.yx;
    shifts.at(z, 0) = to_canvas.y(cy, cx) - cy;
    shifts.at(z, 1) = to_canvas.x(cy, cx) - cx;
  }
  if (std::ranges::count(weights, 1.0) < align::enough_for_course) return;
  for (Series* s : {&turns, &sizes, &strains, &shifts}) keep_slow_part(*s, weights);
  for (Index z = 0; z < sections; ++z) {
    const auto [sine, cosine] = coarse_align::direction_of(turns.at(z, 0) / radius);
    const double size = 1 + sizes.at(z, 0) / radius;
    const double yy = size + strains.at(z, 0) / radius, xx = size - strains.at(z, 0) / radius;
    const double yx = strains.at(z, 1) / radius;
    Affine course;  // from the canvas on which the course is kept to the straight one
    course.yy = yy * cosine + yx * sine;
    course.yx = yx * cosine - yy * sine;
    course.xy = yx * cosine + xx * sine;
    course.xx = xx * cosine - yx * sine;
    course.y0 = cy + shifts.at(z, 0) - (course.yy * cy + course.yx * cx);
    course.x0 = cx + shifts.at(z, 1) - (course.xy * cy + course.xx * cx);
    Affine& t = placed[static_cast<std::size_t>(z)].from_canvas;
    if (course.determinant() > 0.25) t = t.after(course);
  }
}

}  // namespace petavox::place_sections
