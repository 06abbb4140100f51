#pragma once
// The course of tissue through a stack, told from the distortions of its sections: what is done to a section
// when it is cut has nothing to do with what is done to the next one, while tissue goes on the way it came.
// So of where matched places lie in the sections, what changes slowly along z is the tissue's, and stays.
//
// Series are kept section by section, `columns` values each.

#include "petavox/volume/array.hpp"

#include "stages/align/placement.hpp"

#include <optional>
#include <vector>

namespace petavox::align {

/// Takes the sudden steps out of each column: a step from section to section that differs from the column's
/// median step by more than three standard deviations (from the median deviation, at least `least`) is cut to
/// that. A lasting jump is no course of tissue.
void limit_steps(std::vector<double>& values, Index sections, Index columns, double least);

/// The slow part of each column: it minimises the sum of squared differences from the values, plus length^4
/// times the sum of its squared second differences (Whittaker 1923; a straight course costs nothing, at the
/// ends neither). What lasts longer than some 2 pi `length` sections is slow. Sections of weight 0 are
/// bridged; at least two must have another weight.
std::vector<double> slow_part(std::vector<double> values, Index sections, Index columns, double length,
                              const std::vector<double>& weights);

/// The slow part of the columns together, of the length of which it predicts best (generalised
/// cross-validation; Craven and Wahba 1979, Numer. Math. 31:377), sudden steps (limit_steps) cut out first;
/// nothing if it explains no more than the slow part of independent errors does (Fisher's ratio of
/// variances). Sections of weight 0 do not speak.
std::optional<std::vector<double>> course_shown(const std::vector<double>& values, Index sections,
                                                Index columns, double least,
                                                const std::vector<double>& weights);

/// What is known of sections as a whole, where they have placements. What the field does to a whole section
/// undoes an error of its placement: it is no course of tissue, which is seen in placement and field
/// together. One affine transform for each section; none: nothing is held apart.
struct Wholes {
  std::vector<Placement> field;   ///< what the field does to the section
  std::vector<Placement> course;  ///< from the straight canvas to the one on which tissue keeps its course
};

/// The affine transform next to x -> x + D(x), over the nodes that show something of `source`, the box of the
/// section (its z does not matter) that `placement` takes canvas pixels to. The identity where these do not
/// determine one.
Placement affine_of_field(View<const std::int32_t> field, Index z, Index spacing, const Placement& placement,
                          const Box& source);

/// Those of all sections: `placements` (coarse_align::affine.hpp) and what the field does, over all sections
/// of the box. The course is that of both together (affine_course).
Wholes wholes_of(View<const std::int64_t> placements, const std::vector<Placement>& field,
                 const Box& sections, Vec2 middle, double radius_px);

/// Takes the slow part out of a field (field.hpp; all sections, nodes `spacing` pixels apart): `out`, over a
/// smaller box, is the field on the canvas on which tissue runs as it did in the sections. `field` must hold
/// course_reach() nodes more on y and x, clipped to its domain. Of length 0, or with fewer than
/// enough_for_course sections, `out` is the field.
void keep_course(const Array& field, Index spacing, double length, Array& out, const Wholes& wholes = {});

/// Fewer sections do not tell the slow from the sudden: the slope of a line through n independent errors is
/// itself wrong by sqrt(12) / n^1.5 of one, at every section.
inline constexpr Index enough_for_course = 32;
/// A course is followed up to so far from the straight one, pixels.
inline constexpr double max_course_px = 256;
Index course_reach(Index spacing);

}  // namespace petavox::align
