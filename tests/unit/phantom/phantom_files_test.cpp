// The tables of truth as other programs read them.

#include "apps/petavox/phantom_files.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace petavox::app {
namespace {

namespace fs = std::filesystem;

TEST(PhantomFiles, HoldTheTables) {
  PhantomSpec spec;
  spec.shape = {150, 150, 150};
  spec.voxel_size_nm = {12, 8, 10};
  const Phantom phantom{spec};
  const fs::path directory =
      fs::temp_directory_path() / ("petavox-phantom-files-" + std::to_string(::getpid()));
  const OutputRoot root = OutputRoot::create(directory.string());
  const TruthFiles files = write_truth(phantom, root);

  const auto synapses = phantom.synapses(phantom.domain());
  ASSERT_GT(synapses.size(), 0U);
  EXPECT_EQ(files.num_synapses, synapses.size());
  std::ifstream csv{directory / "synapses.csv"};
  std::string line;
  std::getline(csv, line);
  EXPECT_EQ(line, "id,pre,post,z,y,x,diameter_nm");
  std::getline(csv, line);
  std::ostringstream first;
  first << synapses[0].id << ',' << synapses[0].pre << ',' << synapses[0].post << ','
        << synapses[0].position.z << ',' << synapses[0].position.y << ',' << synapses[0].position.x << ',';
  EXPECT_TRUE(line.starts_with(first.str())) << line;

  // SWC: numbered from 1, each parent before its children, a label before each tree.
  std::ifstream swc{directory / "skeletons.swc"};
  std::map<long, std::uint64_t> label_of;
  std::uint64_t label = 0;
  long next = 1;
  while (std::getline(swc, line)) {
    if (line.starts_with("# label ")) label = std::stoull(line.substr(8));
    if (line.starts_with("#")) continue;
    std::istringstream fields{line};
    long id = 0, parent = 0;
    int type = -1;
    double x = 0, y = 0, z = 0, radius = 0;
    ASSERT_TRUE(fields >> id >> type >> x >> y >> z >> radius >> parent) << line;
    EXPECT_EQ(id, next++);
    EXPECT_LT(parent, id);
    if (parent != -1) {
      EXPECT_EQ(label_of.at(parent), label);
    }
    label_of[id] = label;
    EXPECT_GT(radius, 0);
    EXPECT_LE(x, 150 * 10);
    EXPECT_LE(y, 150 * 8);
    EXPECT_LE(z, 150 * 12);
  }
  EXPECT_EQ(files.num_nodes, label_of.size());
  EXPECT_EQ(files.num_nodes, phantom.skeleton(phantom.domain()).size());
  EXPECT_GT(files.num_neurites, 10U);
  fs::remove_all(directory);
}

}  // namespace
}  // namespace petavox::app
