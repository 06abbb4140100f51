#pragma once
// What the report on a placement is made of: how alike placed sections are, and whether their order is right.

#include "petavox/geometry/box.hpp"

#include <string>
#include <vector>

namespace petavox::place_sections {

/// Channels of the volume `place_evidence`, int32, over (section, sections back - 1, 0).
enum EvidenceChannel {
  evidence_likeness,  ///< with the section so many back, in 1/10000; -1: none
  // Of the section itself, the same for all sections back:
  evidence_found,    ///< 1: connected with the frame
  evidence_flipped,  ///< 1: lies turned over in the frame
  evidence_turn,     ///< degrees against the canvas, in 1/1000, -180000 to 180000
  evidence_scale,    ///< pixels of the section per pixel of the canvas, in 1/10000
  evidence_inliers,  ///< patches that agree with the section before; 0: none
  evidence_channels
};

/// likeness[z][d - 1]: of section z with section z - d, 0 to 1; negative: unknown. All rows have the same
/// length, the reach.
using LikenessTable = std::vector<std::vector<double>>;

/// A section that is in the wrong place, and what says so.
struct Misplaced {
  Index z = 0;  ///< counted from 0
  std::string evidence;
};

/// Sections whose neighbours in the stack are not those that they are most like. Of the orders in which one
/// section, or a run of neighbours turned round, is moved by up to the reach, the one along which neighbours
/// are most alike is sought, step by step; a step counts if it gains more than `margin` of likeness in sum.
/// Sections that are like nothing near them are left out: they are bad, which is another matter.
/// `first` is the number of section 0 in the texts.
std::vector<Misplaced> wrong_order(const LikenessTable& likeness, double margin, Index first);

}  // namespace petavox::place_sections
