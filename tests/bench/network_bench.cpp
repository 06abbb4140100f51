// Networks on one core against the core's peak of fused multiply-adds, both on CPU time.
// Usage: network_bench [MODEL.pvm …]; the built-in models if none is named. Each is run by Winograd's method
// and directly, in turn. Columns: method, window, seconds a window, GFLOP/s of its convolutions as they are
// defined (all work is counted as time; by Winograd's method more than the peak is possible, since a sixth of
// the multiplications is done), share of the measured peak, voxels a second computed and, with the model's
// margin, kept; memory of the activations. Of a flood-filling network the window is its field of view, and
// the seconds are those of a move.

#include "stages/network/backend.hpp"
#include "stages/network/builtin_models.hpp"
#include "stages/network/schedule.hpp"

#include "bench_clock.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

namespace {

using namespace petavox;

// Twelve independent accumulators, in assembly so that they stay in registers.
#define TWELVE(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11)
#define FMA256(n) "vfmadd231ps %%ymm14,%%ymm15,%%ymm" #n "\n"
#define FMA512(n) "vfmadd231ps %%zmm14,%%zmm15,%%zmm" #n "\n"

/// GFLOP/s of one core; the widest instructions that it has.
double peak_gflops() {
  constexpr long rounds = 50'000'000;
  const bool wide = __builtin_cpu_supports("avx512f") != 0;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    long left = rounds;
    const double begin = bench::cpu_seconds();
    if (wide) {
      asm volatile("vzeroall\n1:\n" TWELVE(FMA512) "dec %0\njnz 1b\nvzeroupper\n"
                   : "+r"(left)
                   :
                   : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                     "xmm10", "xmm11", "xmm14", "xmm15");
    } else {
      asm volatile("vzeroall\n1:\n" TWELVE(FMA256) "dec %0\njnz 1b\nvzeroupper\n"
                   : "+r"(left)
                   :
                   : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                     "xmm10", "xmm11", "xmm14", "xmm15");
    }
    const double seconds = bench::cpu_seconds() - begin;
    best = std::max(best, 2.0 * (wide ? 16 : 8) * 12 * rounds / seconds * 1e-9);
  }
  return best;
}

struct Method {
  const char* name;
  bool winograd;
  std::unique_ptr<network::Executable> executable;
  std::vector<double> seconds;
};

void measure(const network::Model& model, Extent window, double peak) {
  const int output = model.outputs.front().tensor;
  std::vector<float> image(static_cast<std::size_t>(model.input_channels * window.voxels()), 0.5F);
  std::vector<float> result(static_cast<std::size_t>(model.channels_of(output) * window.voxels()));
  std::array<Method, 2> methods{{{"winograd", true, {}, {}}, {"direct", false, {}, {}}}};
  for (Method& method : methods) {
    method.executable = network::compile(model, output, window, {.winograd = method.winograd});
    method.executable->run(image, result);
  }
  for (int i = 0; i < 5; ++i)
    for (Method& method : methods) {
      const double begin = bench::cpu_seconds();
      method.executable->run(image, result);
      method.seconds.push_back(bench::cpu_seconds() - begin);
    }
  const auto voxels = static_cast<double>(window.voxels());
  double kept = 1;
  for (int axis = 0; axis < 3; ++axis)
    kept *= static_cast<double>(std::max<Index>(0, window[axis] - 2 * model.margin[axis]));
  for (Method& method : methods) {
    std::ranges::sort(method.seconds);
    const double seconds = method.seconds[method.seconds.size() / 2];
    const double gflops = network::flops_per_voxel(model) * voxels / seconds * 1e-9;
    std::printf(
        "%-10s %4ldx%4ldx%4ld %-8s %8.3f s %7.1f GFLOP/s %5.1f %% of peak %7.3f Mvoxel/s computed %7.3f kept "
        "%7.1f MB\n",
        model.name.c_str(), static_cast<long>(window.z), static_cast<long>(window.y),
        static_cast<long>(window.x), method.name, seconds, gflops, 100 * gflops / peak,
        voxels / seconds * 1e-6, kept / seconds * 1e-6,
        static_cast<double>(network::make_schedule(model, output, window).bytes()) * 1e-6);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double peak = peak_gflops();
  std::vector<network::Model> models;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file{argv[i], std::ios::binary};
    const std::vector<char> bytes{std::istreambuf_iterator<char>{file}, {}};
    models.push_back(network::parse_model(std::as_bytes(std::span{bytes}), argv[i]));
  }
  if (models.empty())
    for (const std::string& name : network::builtin_models())
      models.push_back(network::parse_model(network::builtin_model(name), name));
  std::printf("%s; peak of one core %.1f GFLOP/s\n", network::backend_identity(models.front(), {}).c_str(),
              peak);
  for (const network::Model& model : models) {
    if (model.outputs.front().kind == network::OutputKind::object) {
      measure(model, model.outputs.front().flooding.field_of_view, peak);
      continue;
    }
    const bool flat = model.multiple.z < model.multiple.x;
    for (const Extent window : flat ? std::vector<Extent>{{16, 128, 128}, {24, 256, 256}}
                                    : std::vector<Extent>{{64, 64, 64}, {96, 96, 96}, {128, 128, 128}})
      measure(model, window, peak);
  }
}
