#pragma once
// A transform that a search came upon: brought to its place, judged, and compared with others.

#include "stages/coarse_align/consensus.hpp"
#include "stages/coarse_align/prepared.hpp"

#include <initializer_list>

namespace petavox::coarse_align {

/// How many starting points were tried: the more, the likelier one of them fits by chance.
enum class Search { as_given, keypoints, poses };

struct Candidate {
  Search by = Search::keypoints;
  Agreement agreement;
  int matches = 0;
  bool flipped = false;
  double ncc = 0, share = 0;  // correlation over the overlap, and its share of the smaller content
};

/// The sections that it lies on each other, the moving one as it is or turned over.
struct Laid {
  const Prepared& fixed;
  const Prepared& moving;
  bool flipped = false;
};

/// A transform that is about right, brought to agree with patches all over the overlap, sought within each of
/// `radii` in turn.
Candidate improved(const Laid& sections, Search by, const Affine& start, std::initializer_list<Index> radii,
                   const Settings& settings);
/// True if so many patches agree that it is no chance, and it is a transform that there may be.
bool proven(const Candidate& c, const Settings& settings);
/// So many patches cannot agree on something else than the truth: no need to look further.
bool sure(const Candidate& c, const Settings& settings);
bool better(const Candidate& a, const Candidate& b, const Settings& settings);
/// True if a section may be stretched like that.
bool possible(const Affine& t, const Settings& settings);
/// What is stored does not hang on the last bits.
double rounded(double v, double step);

}  // namespace petavox::coarse_align
