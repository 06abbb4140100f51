#pragma once
// Where the pixels of a row come from, one copy of the loops for each set of vector instructions; all do the
// same operations in the same order.

#include <cstdint>

namespace petavox::align {

/// Pixels [begin, end) of a row that lie between the same two columns of nodes; `column` is the first of the
/// four that count.
struct NodeRun {
  std::int64_t begin, end, column;
};

/// out[i] = the sum over k < 4 of weights[k][i] columns[column + k], of the run that holds pixel i.
void between_columns(const NodeRun* runs, std::int64_t num_runs, const double* const weights[4],
                     const double* columns, double* out);

/// A row of level pixels on the canvas, and the affine transform from there: the i-th lies at full-resolution
/// pixel (y, x + level i), level pixel c of a source at full-resolution pixel level c + middle.
struct SourceRow {
  double y, x, level, middle;
  double yy, yx, y0, xy, xx, x0;
};

/// ys and xs hold displacements and get the level pixels of the source.
void sources_of_row(const SourceRow& row, std::int64_t n, double* ys, double* xs);

}  // namespace petavox::align
