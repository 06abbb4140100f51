// Speed of the flow between sections, beside the transforms that it cannot do without.
// One thread; figures are per CPU second.
//
//   align_bench [RINGS RADIUS SPACING]     1 16 32 by default: patches of 96 pixels
//
// Columns: pairs/s of patches matched; Mpixel/s of sections (a pair for each node and link stands for
// spacing^2 pixels). `floor`: FFTW alone, two forward transforms and one inverse of the size of patch and
// displacements for each pair, plans by estimate. `plain`: sections without invalid pixels; `masked`: with a
// stripe that holds nothing.

#include "petavox/base/hash.hpp"

#include "stages/align/flow.hpp"
#include "stages/fft/fft2d.hpp"

#include "bench_clock.hpp"

#include <cstdio>
#include <cstdlib>

namespace petavox::bench {
namespace {

Array sections(Index edge, bool striped) {
  Array placed{DType::u8, Box::from({0, 0, 0}, {6, edge, edge}), 2};
  const auto view = placed.view<std::uint8_t>();
  placed.box().for_each([&](Coord p) {
    // Blobs of some pixels, alike from section to section.
    const auto cell = static_cast<std::uint64_t>((p.y / 6) * 4099 + p.x / 6);
    const auto noise = mix64(static_cast<std::uint64_t>(placed.box().raster(p))) % 30;
    view.at(0, p) = static_cast<std::uint8_t>(40 + mix64(cell) % 150 + noise);
    view.at(1, p) = striped && p.x % 64 < 2 ? 0 : 255;
  });
  return placed;
}

int run(const align::FlowSettings& s) {
  const int window = s.match.patch() + 2 * s.match.radius;
  // Nodes whose windows lie wholly inside.
  const Index spacing = s.match.spacing;
  const Index margin = s.match.reach() / spacing + 1, edge = (12 + 2 * margin) * spacing;
  const Box nodes{{2, margin, margin}, {6, margin + 12, margin + 12}};
  const auto pairs = static_cast<double>(nodes.voxels()) * static_cast<double>(s.links.size());
  const double pixels = static_cast<double>(spacing * spacing);
  std::printf("patch %d, radius %d, window %d, spacing %d, links %zu\n", s.match.patch(), s.match.radius,
              window, s.match.spacing, s.links.size());

  const Fft2D fft{static_cast<std::size_t>(window), static_cast<std::size_t>(window)};
  AlignedFloats reals{fft.num_reals()}, spectrum{fft.num_spectrum()};
  const double floor = least_cpu_seconds(5, [&] {
    for (int i = 0; i < static_cast<int>(pairs); ++i) {
      fft.forward(reals, spectrum);
      fft.forward(reals, spectrum);
      fft.inverse(spectrum, reals);
    }
  });
  std::printf("%-8s %8.0f pairs/s  %6.2f Mpixel/s\n", "floor", pairs / floor, pairs * pixels / floor / 1e6);
  for (const bool striped : {false, true}) {
    const Array placed = sections(edge, striped);
    Array flow{DType::i16, nodes, coarsened(placed.box(), {1, spacing, spacing}),
               align::flow_channels * static_cast<int>(s.links.size())};
    const double t = least_cpu_seconds(5, [&] { align::flow_of(placed, s, flow); });
    std::printf("%-8s %8.0f pairs/s  %6.2f Mpixel/s  %5.2f of the floor\n", striped ? "masked" : "plain",
                pairs / t, pairs * pixels / t / 1e6, floor / t);
  }
  return 0;
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  petavox::align::FlowSettings s;
  if (argc == 4) {
    s.match.rings = std::atoi(argv[1]);
    s.match.radius = std::atoi(argv[2]);
    s.match.spacing = std::atoi(argv[3]);
  }
  return petavox::bench::run(s);
}
