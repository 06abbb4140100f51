#pragma once
// Rendering of a placed section: for each output pixel, where it comes from, and the source interpolated
// there. Plain functions. Every output pixel is an expression of absolute coordinates, so the cutting cannot
// matter.

#include "stages/align/placement.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace petavox::align {

/// How output pixels map to source pixels: level pixel c of a volume coarsened by `level` (F) lies at pixel
/// F c + (F - 1) / 2 of the full resolution.
struct Mapping {
  Placement placement;
  FieldSection field;
  Index field_spacing = 1;  ///< full-resolution pixels between its nodes
  Index level = 1;
  bool has_field = true;
};

enum class Kernel {
  cubic,    ///< 4 x 4, Keys
  lanczos,  ///< 6 x 6, Lanczos of radius 3
};

/// The source positions, in level pixels, of rows of `width` output level pixels from x_begin on.
class SourceRows {
 public:
  SourceRows(const Mapping& mapping, Index x_begin, Index width);
  /// Of row y: ys[i] and xs[i], i < width.
  void read(Index y, double* ys, double* xs);

 private:
  double fine(Index c) const { return level_ * static_cast<double>(c) + middle_; }
  Placement placement_;
  double level_, middle_, first_;
  std::size_t width_;
  std::optional<FieldRows> field_;
};

/// Writes output section z over `tile` (one z) of `out`, channel by channel. `read(box)` gives the source
/// over a box inside `source_domain`, at most `held_voxels` at once: tiles are halved until that is enough.
/// Channels before `nearest_from` are interpolated by `kernel` and saturate, those from it on take the
/// nearest pixel. Where a position lies outside the source by more than half a pixel, all channels are
/// `outside`. With `empty`, source pixels of this value hold nothing: where the nearest one is such, the
/// output is `outside`; elsewhere they count as the nearest pixel, and no output pixel takes their value.
/// Otherwise what holds something would be darkened, and ring, beside what does not.
struct RenderOptions {
  Kernel kernel = Kernel::cubic;
  int nearest_from = 1;
  Index held_voxels = 0;
  double outside = 0;
  std::optional<double> empty = std::nullopt;
};
void render(const Mapping& mapping, const Box& tile, const Box& source_domain,
            const std::function<Array(const Box&)>& read, const RenderOptions& options, Array& out);

/// Enough for tiles of up to `tile` x `tile` pixels of any rotation, stretched by up to a fifth.
Index held_for_tile(Index tile);

}  // namespace petavox::align
