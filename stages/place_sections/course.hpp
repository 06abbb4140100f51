#pragma once
// The course of tissue through whole sections: see stages/align/course.hpp, here for affine transforms.

#include "stages/place_sections/chain.hpp"

namespace petavox::place_sections {

/// Chained transforms put matching tissue on matching tissue, so that their errors, and tissue that runs
/// obliquely, add up over the stack. What of the transforms changes slowly along z is taken out of them: of
/// the turn of the sections, of their size, of their strain, and of where their middles lie, each by as much
/// as the stack itself shows to be slow (align::course_shown), and not at all where it shows nothing:
/// sections turned at random say nothing of a slow turn. Sections that lie turned round or over do not speak;
/// with fewer than align::enough_for_course that do, nothing is changed.
void keep_course(std::vector<Placed>& placed, const Box& frame);

}  // namespace petavox::place_sections
