// One evaluation of a model, for published_step.py: network_step MODEL Z Y X INPUT OUTPUT. The files hold
// float32 in raster order, channel by channel; the input is already standardised.

#include "stages/network/backend.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace {

std::vector<char> content(const char* path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace petavox;
  if (argc != 7) return 2;
  const auto bytes = content(argv[1]);
  const auto model = network::parse_model(std::as_bytes(std::span{bytes}), argv[1]);
  const Extent window{std::atol(argv[2]), std::atol(argv[3]), std::atol(argv[4])};
  const int output = model.outputs.front().tensor;
  const auto raw = content(argv[5]);
  std::vector<float> image(raw.size() / sizeof(float));
  if (image.size() != static_cast<std::size_t>(model.input_channels * window.voxels())) return 3;
  std::memcpy(image.data(), raw.data(), raw.size());
  std::vector<float> result(static_cast<std::size_t>(model.channels_of(output) * window.voxels()));
  const auto executable = network::compile(model, output, window, {});
  executable->run(image, result);
  std::ofstream{argv[6], std::ios::binary}.write(reinterpret_cast<const char*>(result.data()),
                                                 static_cast<std::streamsize>(result.size() * sizeof(float)));
  for (const std::string& kernel : executable->kernels()) std::printf("%s\n", kernel.c_str());
  return 0;
}
