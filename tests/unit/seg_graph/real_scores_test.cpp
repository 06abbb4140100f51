// Scores of real segmentations against real truths. The values were computed from the definitions with NumPy,
// and agree with those that the data's own notes give to three places. Skipped where the data are absent.

#include "petavox/geometry/tiling.hpp"
#include "petavox/io/hdf5_volume.hpp"

#include "stages/score/contingency.hpp"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace petavox {
namespace {

std::filesystem::path data_dir() {
  if (const char* given = std::getenv("PETAVOX_SHARED_DATA")) return given;
  return std::filesystem::path{PETAVOX_SOURCE_DIR} / ".." / "shared" / "data";
}

struct Known {
  double voi_split, voi_merge, adapted_rand_error, rand_split, rand_merge;
};

void expect_scores(const std::string& file, const std::string& labels, const std::string& truth, Index from_z,
                   const Known& known) {
  const std::filesystem::path path = data_dir() / file;
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << path << " is absent; set PETAVOX_SHARED_DATA to where it is";
  const auto label_volume = open_hdf5_volume(path, labels), truth_volume = open_hdf5_volume(path, truth);
  score::ScoreAccumulator accumulator;
  Box domain = truth_volume->domain();
  domain.begin.z = from_z;
  const Tiling tiling{domain, {32, 512, 512}};
  for (Index b = 0; b < tiling.count(); ++b)
    accumulator.add(label_volume->read_box(tiling.core(b)), truth_volume->read_box(tiling.core(b)));
  const score::Scores s = accumulator.scores();
  constexpr double tolerance = 2e-9;
  EXPECT_NEAR(s.voi_split, known.voi_split, tolerance);
  EXPECT_NEAR(s.voi_merge, known.voi_merge, tolerance);
  EXPECT_NEAR(s.adapted_rand_error, known.adapted_rand_error, tolerance);
  EXPECT_NEAR(s.rand_split, known.rand_split, tolerance);
  EXPECT_NEAR(s.rand_merge, known.rand_merge, tolerance);
}

TEST(RealScores, Fib25Supervoxels) {
  expect_scores("fib25_training2/fib25_training2.h5", "oversegmentation", "labels", 0,
                {2.407488069, 0.329539857, 0.271243207, 0.585434191, 0.965003302});
}
TEST(RealScores, Fib25SupervoxelsFromSection190) {
  expect_scores("fib25_training2/fib25_training2.h5", "oversegmentation", "labels", 190,
                {2.055002615, 0.365963336, 0.292033951, 0.562210797, 0.955747048});
}
TEST(RealScores, Snemi3dSupervoxels) {
  expect_scores("snemi3d_labels_only/snemi3d_ds_train.h5", "machine_supervoxels", "labels", 0,
                {2.181048054, 0.300209892, 0.453754327, 0.385912141, 0.933616466});
}

}  // namespace
}  // namespace petavox
