#pragma once
// The course of tissue through whole sections: course.hpp, for one affine transform a section.

#include "stages/align/placement.hpp"

#include <span>
#include <vector>

namespace petavox::align {

/// What is taken for the course of a parameter of the transforms.
enum class Course {
  whole,    ///< its slow part, or, if the stack shows none, its median: all sections then lie as most do
  changes,  ///< what of its slow part changes along z, or nothing
};

/// For each section, from the canvas on which tissue keeps its course to the straight one. `from_canvas`
/// takes the straight canvas to the sections; of these transforms the slow part of the turn, of the size, of
/// the strain, and of where `middle` lies, each by as much as the stack itself shows to be slow
/// (course_shown). Sections of weight 0, and those that lie turned round or over, do not speak; with fewer
/// than enough_for_course that do, there is no course: identities.
std::vector<Placement> affine_course(std::span<const Placement> from_canvas, std::vector<double> weights,
                                     Vec2 middle, double radius_px, Course kind);

}  // namespace petavox::align
