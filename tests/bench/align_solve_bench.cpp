// What the elastic solve of `align` costs for each node, as the lattice grows.
//
//   align_solve_bench [SECTIONS EDGE]...     16 128 16 256 16 512 64 128 256 128 by default
//
// EDGE x EDGE nodes in each of SECTIONS sections, default settings. Matches of sections that are each
// displaced by waves of 8, 32, 128 and 512 nodes in length, as far as the lattice has room; a tenth are
// rejected, three in a hundred wrong. Columns: microseconds of CPU for each node of the first tier (all
// sections at once, on the coarser lattice) and of the second (tiles of 32 x 32 nodes, as the stage's tasks);
// bytes that the first takes at its height beside its input, for each node of its own lattice; error of
// neighbouring sections, rms px.

#include "petavox/base/hash.hpp"

#include "stages/align/solve.hpp"

#include "bench_clock.hpp"
#include "peak_memory.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>

namespace petavox::bench {
namespace {

using align::Vec2;

double uniform(std::uint64_t seed) { return static_cast<double>(mix64(seed) >> 40) / 16777216.0; }

/// Displacement of section z at a place in nodes, in pixels.
class Waves {
 public:
  Waves(Index sections, Index edge) {
    for (Index z = 0; z < sections; ++z) {
      std::vector<Wave> waves;
      for (Index length = 8; length <= 512 && length <= edge; length *= 4) {
        const auto seed = static_cast<std::uint64_t>(z * 4096 + length);
        const double turn = 2 * std::numbers::pi * uniform(seed);
        const double k = 2 * std::numbers::pi / static_cast<double>(length);
        waves.push_back({k * std::sin(turn), k * std::cos(turn), 6.28 * uniform(seed + 1),
                         uniform(seed + 2) * 6 - 3, uniform(seed + 3) * 6 - 3});
      }
      sections_.push_back(std::move(waves));
    }
  }
  Vec2 at(Index z, double y, double x) const {
    Vec2 sum;
    for (const Wave& w : sections_[static_cast<std::size_t>(z)])
      sum = sum + std::sin(w.ky * y + w.kx * x + w.phase) * Vec2{w.y, w.x};
    return sum;
  }

 private:
  struct Wave {
    double ky, kx, phase, y, x;
  };
  std::vector<std::vector<Wave>> sections_;
};

Array matches_of(const Waves& waves, const Box& lattice, const align::SolveSettings& s) {
  Array clean{DType::i16, lattice, align::clean_channels * static_cast<int>(s.links.size())};
  const auto view = clean.view<std::int16_t>();
  const auto units = [](double v) {
    return static_cast<std::int16_t>(std::floor(v * align::flow_units_per_px + 0.5));
  };
  lattice.for_each([&](Coord p) {
    for (std::size_t k = 0; k < s.links.size(); ++k) {
      const Index d = s.links[k];
      const auto seed = static_cast<std::uint64_t>(lattice.raster(p)) * 8 + k;
      if (p.z < d || mix64(seed) % 10 == 0) continue;
      // The place of the canvas that shows what the section as it is has at this node.
      Vec2 at{static_cast<double>(p.y), static_cast<double>(p.x)};
      for (int i = 0; i < 5; ++i) {
        const Vec2 v = waves.at(p.z, at.y, at.x);
        at = {static_cast<double>(p.y) - v.y / s.spacing, static_cast<double>(p.x) - v.x / s.spacing};
      }
      const double wrong = mix64(seed + 1) % 33 == 0 ? 5 : 0.25;
      const Vec2 f = waves.at(p.z - d, at.y, at.x) - waves.at(p.z, at.y, at.x) +
                     wrong * Vec2{uniform(seed + 2) * 2 - 1, uniform(seed + 3) * 2 - 1};
      const int c = static_cast<int>(k) * align::clean_channels;
      view.at(c, p) = units(f.y);
      view.at(c + 1, p) = units(f.x);
      view.at(c + 2, p) = 700;
    }
  });
  return clean;
}

double error_of(const Waves& waves, const Array& found) {
  const auto view = found.view<std::int32_t>();
  double sum = 0, count = 0;
  found.box().for_each([&](Coord p) {
    if (p.z == 0) return;
    const auto y = static_cast<double>(p.y), x = static_cast<double>(p.x);
    const Coord q{p.z - 1, p.y, p.x};
    const Vec2 e = Vec2{(view.at(0, p) - view.at(0, q)) / align::field_units_per_px,
                        (view.at(1, p) - view.at(1, q)) / align::field_units_per_px} -
                   (waves.at(p.z, y, x) - waves.at(q.z, y, x));
    sum += e.y * e.y + e.x * e.x;
    ++count;
  });
  return std::sqrt(sum / count);
}

void second_tier(const Array& clean, const Array& coarse, const align::SolveSettings& s, Array& out) {
  constexpr Index tile = 32;
  const Box lattice = clean.box();
  const Index reach = align::flow_reach(s),
              few = align::field_reach + ceil_div(Index{s.sweeps}, s.coarsening);
  for (Index y = 0; y < lattice.end.y; y += tile)
    for (Index x = 0; x < lattice.end.x; x += tile) {
      const Box core = Box{{0, y, x}, {lattice.end.z, y + tile, x + tile}}.intersect(lattice);
      const Box held = core.grow(Halo::symmetric({0, reach, reach})).intersect(lattice);
      Array near{DType::i16, held, lattice, clean.channels()};
      copy_box(clean, near, held);
      const Box around = coarsened(core, {1, s.coarsening, s.coarsening})
                             .grow(Halo::symmetric({0, few, few}))
                             .intersect(coarse.box());
      Array some{DType::i32, around, coarse.box(), 2};
      copy_box(coarse, some, around);
      Array piece{DType::i32, core, lattice, 2}, left{DType::i16, core, lattice};
      align::solve_fine(near, some, s, {}, piece, left);
      copy_box(piece, out, core);
    }
}

void measure(Index sections, Index edge) {
  const align::SolveSettings s;
  const Box lattice = Box::from({0, 0, 0}, {sections, edge, edge});
  const Waves waves{sections, edge};
  const Array clean = matches_of(waves, lattice, s);
  const Box coarser = coarsened(lattice, {1, s.coarsening, s.coarsening});
  Array coarse{DType::i32, coarser, 2};
  std::uint64_t bytes = 0;
  const double first = least_cpu_seconds(3, [&] {
    const PeakMemory peak;
    align::solve_coarse(clean, s, {}, coarse);
    bytes = peak.bytes();
  });
  Array out{DType::i32, lattice, 2};
  const double second = least_cpu_seconds(2, [&] { second_tier(clean, coarse, s, out); });
  const auto nodes = static_cast<double>(lattice.voxels());
  std::printf("%8td %6td %10.0f   %8.2f   %8.2f   %8.2f   %8.0f   %8.2f\n", sections, edge, nodes,
              1e6 * first / nodes, 1e6 * second / nodes, 1e6 * (first + second) / nodes,
              static_cast<double>(bytes) / static_cast<double>(coarser.voxels()), error_of(waves, out));
  std::fflush(stdout);
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  petavox::bench::keep_pages_as_petavox();
  std::puts("sections   edge      nodes   first us  second us     all us  bytes/node   error px");
  if (argc < 3) {
    for (const auto& [sections, edge] : {std::pair{16, 128}, {16, 256}, {16, 512}, {64, 128}, {256, 128}})
      petavox::bench::measure(sections, edge);
    return 0;
  }
  for (int i = 1; i + 1 < argc; i += 2) petavox::bench::measure(std::atoi(argv[i]), std::atoi(argv[i + 1]));
  return 0;
}
