// TorchScript programs, made here with libtorch's own compiler, against the same layers by oneDNN.

#include "petavox/testing/stage_kit.hpp"

#include "stages/network/backend.hpp"
#include "stages/network/network_stage.hpp"

#include "unit/network/model_builder.hpp"
#include "unit/network/model_file.hpp"

#include <sstream>

#include <gtest/gtest.h>
#include <torch/script.h>

namespace petavox::network {
namespace {

/// A convolution, and what follows it as text, with weights of `model`'s first layer.
std::string program(const Layer& conv, const std::string& forward) {
  torch::jit::Module module{"network"};
  const auto in = static_cast<Index>(conv.weights.size()) / conv.channels / conv.kernel.voxels();
  const auto tensor = [](const std::vector<float>& values, at::IntArrayRef shape) {
    return torch::from_blob(const_cast<float*>(values.data()), shape).clone();
  };
  module.register_parameter(
      "w", tensor(conv.weights, {conv.channels, in, conv.kernel.z, conv.kernel.y, conv.kernel.x}), false);
  module.register_parameter("b", tensor(conv.bias, {conv.channels}), false);
  module.define(forward);
  std::ostringstream out;
  module.save(out);
  return out.str();
}

const std::string same_as_graph = R"(
def forward(self, x):
    return torch.sigmoid(torch.relu(torch.conv3d(x, self.w, self.b, [1, 1, 1], [1, 1, 1])))
)";

ModelBuilder graph() {
  ModelBuilder builder{1, 7};
  builder.conv("c", "image", 1, 3, {3, 3, 3}, true).layer("s", "sigmoid", {"c"});
  builder.affinities("s", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}).reach({1, 1, 1}, {1, 1, 1}, {1, 1, 1});
  return builder;
}

ModelBuilder script(const std::string& forward) {
  ModelBuilder builder;
  builder.program("net", program(graph().model().layers.front(), forward), 3, {1, 1, 1}, 200);
  builder.affinities("net", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}).reach({1, 1, 1}, {1, 1, 1}, {1, 1, 1});
  return builder;
}

std::vector<float> computed(const Model& model, Extent window, int threads) {
  std::vector<float> image(static_cast<std::size_t>(window.voxels()));
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i * 7919 % 1009) / 252.25F - 2;
  std::vector<float> result(3 * image.size());
  const auto executable = compile(model, model.outputs.front().tensor, window, {.threads = threads});
  // More than once: libtorch would begin to fuse at the second.
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> before = result;
    executable->run(image, result);
    EXPECT_TRUE(i == 0 || before == result) << "run " << i;
  }
  return result;
}

TEST(LibTorch, GivesWhatTheSameLayersGive) {
  const Extent window{6, 9, 11};
  const auto expected = computed(graph().model(), window, 1),
             found = computed(script(same_as_graph).model(), window, 1);
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(expected[i], found[i], 1e-6) << i;
  EXPECT_EQ(found, computed(script(same_as_graph).model(), window, 2)) << "threads change bits";
}

TEST(LibTorch, IsTheSameForAllBlocksAndOrders) {
  const ModelFile file{script(same_as_graph).bytes()};
  EXPECT_TRUE(
      testing::check_stage<NetworkStage>({{"model_path", file.path()}, {"window", "4"}, {"device", "cpu"}}));
}

TEST(LibTorch, SaysWhatComputes) {
  const Model model = script(same_as_graph).model();
  EXPECT_EQ(backend_identity(model, {}).substr(0, 13), "libtorch 1.13");
  EXPECT_NE(backend_identity(model, {}).find("CPU "), std::string::npos);
  EXPECT_EQ(backend_identity(graph().model(), {}).substr(0, 6), "oneDNN");
}

std::string error_of(const Model& model) {
  try {
    check_backend(model, {});
    computed(model, {4, 4, 4}, 1);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(LibTorch, RefusesProgramsThatAreNotWhatTheContainerStates) {
  const auto says = [](const Model& model, const std::string& text) {
    const std::string error = error_of(model);
    EXPECT_NE(error.find(text), std::string::npos) << error;
  };
  says(script("def forward(self, x):\n    return torch.conv3d(x, self.w, self.b)\n").model(),
       "of shape [1, 3, 2, 2, 2] for a window of");
  says(script("def forward(self, x):\n    return [x, x]\n").model(), "gives no tensor");
  says(script("def forward(self, x):\n    return torch.argmax(x, 1)\n").model(), "long");
  says(script("def forward(self, x):\n    assert x.size(2) > 100\n    return x\n").model(),
       "fails on a window of");
  says(script("def forward(self, x, y):\n    return x + y\n").model(), "does not take one tensor");
  says(script("def run(self, x):\n    return x\n").model(), "has no method forward");
  says(script("def forward(self, x):\n    return torch.from_file('/etc/passwd', False, 3)\n").model(),
       "uses aten::from_file");
  ModelBuilder broken;
  broken.program("net", "PK no archive", 3, {1, 1, 1}, 200);
  broken.affinities("net", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}).reach({1, 1, 1}, {1, 1, 1});
  says(broken.model(), "cannot be read");
}

TEST(LibTorch, ProblemsAreThoseOfTheConfiguration) {
  const auto problem = [](testing::ParamTexts params) {
    const ModelFile file{script("def run(self, x):\n    return x\n").bytes()};
    params.emplace_back("model_path", file.path());
    try {
      testing::make_program(testing::stage_type<NetworkStage>(), params);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::config);
      return std::string{error.what()};
    }
    return std::string{"accepted"};
  };
  EXPECT_NE(problem({}).find("has no method forward"), std::string::npos);
  EXPECT_NE(problem({{"isa", "avx2"}}).find("ATEN_CPU_CAPABILITY"), std::string::npos);
  const std::string cuda = problem({{"device", "cuda"}});
  EXPECT_NE(cuda.find(cuda_available() ? "has no method forward" : "finds no GPU"), std::string::npos)
      << cuda;
}

}  // namespace
}  // namespace petavox::network
