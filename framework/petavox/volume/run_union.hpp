#pragma once
// The inner loops of RunComponents (run_components.hpp). Runs are numbered in raster order; parents[n] is an
// earlier run of the same component, n itself for the first; background_run marks a run of background.
// Vectorised: petavox/base/simd.hpp.

#include <cstddef>
#include <cstdint>

namespace petavox::detail {

constexpr std::uint32_t background_run = 0xffffffff;

/// A row's runs: where they start, how many runs of the box lie before each word, and the joins with the rows
/// before (run_components.hpp).
struct RunRow {
  const std::uint64_t* starts;
  const std::uint64_t* joins_y;
  const std::uint64_t* joins_z;
  std::uint32_t* before;
};

/// Makes a parent for each run that starts in the row, from number `next` on, fills its `before`, and unites
/// its runs with those of the rows before (none on y in the first one). Returns the number after them. Bits
/// of `foreground` that are 0 at a start make its run background.
std::uint32_t add_row(const RunRow& row, const std::uint64_t* foreground, const RunRow* before_y,
                      const RunRow& before_z, std::size_t words, std::uint32_t next, std::uint32_t* parents);

/// Unites the runs of voxel i in both rows, for each bit i of `pairs`.
void unite_rows(const std::uint64_t* pairs, std::size_t words, const RunRow& a, const RunRow& b,
                std::uint32_t* parents);

std::uint32_t count_components(std::uint32_t size, const std::uint32_t* parents);

/// Puts ids in the place of parents: 0 for background, components 1, 2, … in order of their first run.
/// firsts[k] becomes the first run of component k + 1.
void number_runs(std::uint32_t size, std::uint32_t* parents, std::uint64_t* firsts);

/// ids[v] = the id of v's run, for all voxels. ids[0 … size) holds the ids of runs; starts has a bit for each
/// voxel of the box. firsts[k] becomes the first voxel of component k + 1.
void write_ids(const std::uint64_t* starts, std::size_t voxels, std::uint32_t size, std::uint32_t* ids,
               std::uint64_t* firsts, std::uint32_t components);

}  // namespace petavox::detail
