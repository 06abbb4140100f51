#pragma once
// The elastic solve: from the cleaned flow between all linked sections to one correction of every node of
// every section. The model and the argument why it does not drift: README.md.
//
//   E(v) = sum over links    w rho(| v(z - d, x) - v(z, x) - f(z, d, x + v(z, x)) |)
//        + stiffness         sum over neighbours in a section  | (u + v) - (u' + v') |^2
//        + anchor            sum over nodes                    | u + v |^2
//        + continuity        sum over neighbouring sections    | v(z) - v(z - 1) |^2
//
// with u the displacement that earlier passes found. v is a displacement of the canvas: the corrected section
// shows at x what it showed at x + v(x). Two tiers: the whole stack on a lattice `coarsening` times coarser
// in one task, by conjugate gradients preconditioned by exact solves along z; then every column of the fine
// lattice by relaxation, from there.

#include "stages/align/field.hpp"
#include "stages/align/flow.hpp"
#include "stages/align/lines.hpp"

namespace petavox::align {

struct SolveSettings {
  std::vector<int> links{1, 2};
  double stiffness = 0.01;   ///< of a section against strain, in weights of one perfect match
  double continuity = 1e-4;  ///< where nothing else speaks, sections follow their neighbours
  double anchor = 1e-4;      ///< to where the section was placed, in weights of one perfect match
  double robust_px = 1.0;    ///< the pull of residuals beyond fades with their length, in the last steps
  double max_shift_px = 32;  ///< largest correction, per axis
  int spacing = 32;          ///< pixels between nodes
  Index coarsening = 4;      ///< of the first tier's lattice
  int lookups = 4;           ///< of the flow at corrected places, first tier
  int max_iterations = 200;  ///< of the conjugate gradients, for each look-up
  double tolerance = 1e-4;   ///< residual of the conjugate gradients, relative
  int sweeps = 4;            ///< second tier
};

/// The displacement that earlier passes found.
struct Before {
  const Array* field = nullptr;  ///< as in field.hpp; none: no displacement
  Index spacing = 1;             ///< full-resolution pixels between its nodes
  Index level = 1;               ///< full-resolution pixels per pixel of the pass
  /// In pixels of the pass, at such a position.
  Vec2 at(Index z, Vec2 level_px) const;
};

/// Nodes of the flow that the second tier reads beyond its columns.
Index flow_reach(const SolveSettings& settings);

/// First tier. `clean`: int16, clean_channels per link, over the whole lattice; fills `out`, int32 y and x in
/// 1/1024 px, over the lattice coarsened by `coarsening`.
void solve_coarse(const Array& clean, const SolveSettings& settings, const Before& before, Array& out);

/// Second tier: the columns of `box` (all sections). `clean` holds flow_reach() nodes more on y and x,
/// clipped to its domain; `coarse` the nodes of the first tier within two of these. Fills `out` as
/// solve_coarse does. `residuals` (int16, over the same nodes, in 1/64 px): what remains of the match with
/// the section before; -1 where there is none.
void solve_fine(const Array& clean, const Array& coarse, const SolveSettings& settings, const Before& before,
                Array& out, Array& residuals);

/// From corrections in pixels of the pass, at nodes `spacing` of these apart, to displacements in
/// full-resolution pixels: what earlier passes found at the corrected place, and the correction. In place.
/// `before` must hold the nodes within field_reach of every corrected place.
void compose(const Before& before, Index spacing, Array& field);

}  // namespace petavox::align
