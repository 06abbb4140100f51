#pragma once
// A section that is sought on others, or others on it: what a search computes of it alone is kept for the
// next one. Not thread-safe.

#include "stages/coarse_align/features.hpp"
#include "stages/coarse_align/kernel.hpp"
#include "stages/coarse_align/prepared.hpp"

#include <map>
#include <utility>

namespace petavox::coarse_align {

class Sought {
 public:
  /// What `section` views must outlive this. Throws as align() does.
  explicit Sought(const Section& section);

  /// The box of pixels that hold something.
  const Box& content() const { return content_; }
  /// The content, reduced by `factor`. The reference holds as long as this.
  const Prepared& planes(Index factor);
  /// Keypoints of planes(factor), at most `count`. Likewise.
  const Features& features(Index factor, int count, bool doubled);

 private:
  Section section_;
  Box content_;
  std::map<Index, Prepared> planes_;
  std::map<std::pair<Index, std::pair<int, bool>>, Features> features_;
};

}  // namespace petavox::coarse_align
