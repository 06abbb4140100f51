#pragma once
// Whole runs on volumes in memory, in a directory that is gone after the test.

#include "petavox/run/run.hpp"
#include "petavox/run/run_directory.hpp"
#include "petavox/volume/memory_volume.hpp"

#include "unit/run/world.hpp"
#include "unit/volumes/scratch.hpp"

#include <map>
#include <set>

namespace petavox::test {

/// A volume whose voxels are those of another that lives longer.
class Lent final : public Volume {
 public:
  explicit Lent(const MemoryVolume& volume) : volume_{volume} {}
  Box domain() const override { return volume_.domain(); }
  DType dtype() const override { return volume_.dtype(); }
  int channels() const override { return volume_.channels(); }
  VoxelSizeNm voxel_size_nm() const override { return volume_.voxel_size_nm(); }
  void read(Array& into) const override { volume_.read(into); }

 private:
  const MemoryVolume& volume_;
};

inline RunOptions quiet(std::uint64_t schedule_seed = 0) {
  RunOptions options;
  options.schedule_seed = schedule_seed;
  return options;
}

/// Input files that exist in memory only, and runs on them.
class RunWorld {
 public:
  RunWorld() {
    Switches::fault = false;
    Switches::stop_after = 0;
    Switches::blocks_run = 0;
    Switches::stop = [] { request_stop(true); };
    request_stop(false);
  }
  ~RunWorld() { request_stop(false); }

  /// Random voxels, alike in cells of 2x2x2 so that objects are larger than a voxel.
  void add(const std::string& file, const Box& domain, int channels, std::uint64_t seed) {
    MemoryVolume volume{DType::u8, domain, channels, {8, 8, 8}};
    const auto view = volume.array().view<std::uint8_t>();
    for (int c = 0; c < channels; ++c)
      domain.for_each([&](Coord p) {
        const Coord cell{floor_div(p.z, 2), floor_div(p.y, 2), floor_div(p.x, 2)};
        const std::uint64_t h =
            mix64(seed + mix64(static_cast<std::uint64_t>(cell.z * 971 + cell.y * 31 + cell.x)));
        view.at(c, p) =
            static_cast<std::uint8_t>(mix64(h + static_cast<std::uint64_t>(c)) % 230 +
                                      mix64(h + static_cast<std::uint64_t>(p.z + p.y + p.x)) % 25);
      });
    volumes_.insert_or_assign(file, std::move(volume));
  }
  void add(const std::string& file, MemoryVolume volume) {
    volumes_.insert_or_assign(file, std::move(volume));
  }
  const MemoryVolume& volume(const std::string& file) const { return volumes_.at(file); }

  InputOpener opener() const {
    return [this](const InputSpec& spec) -> std::unique_ptr<Volume> {
      return std::make_unique<Lent>(volumes_.at(spec.path.filename().string()));
    };
  }

  /// With `output.dir` DIR. ranks 0: serial.
  RunReport run(const std::string& text, const RunOptions& options = quiet(), int ranks = 0) {
    const RunConfig config = config_of(text, scratch_ / "run.yaml");
    Problems problems;
    const auto inputs = InputSet::open(config, opener(), problems);
    problems.throw_if_any();
    const auto plan = make_plan(config, stages_, inputs->infos());
    total_ = 0;
    for (int s = 0; s < plan->num_steps(); ++s) total_ += plan->num_tasks(s);
    return ranks == 0 ? run_serial(*plan, *inputs, options) : run_loopback(*plan, *inputs, ranks, options);
  }
  /// Tasks of the plan that was run last.
  Index total() const { return total_; }
  std::filesystem::path operator/(const std::string& name) const { return scratch_ / name; }
  std::string next_dir() { return "out" + std::to_string(++runs_); }

 private:
  Scratch scratch_;
  std::map<std::string, MemoryVolume> volumes_;
  StageRegistry stages_ = registry();
  Index total_ = 0;
  int runs_ = 0;
};

inline std::string run_header(const std::string& dir, const std::string& blocks, const std::string& input,
                              const std::string& keep = "final") {
  return "petavox: 1\ninput: {path: raw.h5, dataset: /raw" + input + "}\noutput: {dir: " + dir +
         ", keep: " + keep +
         ", final: {chunk_shape: [4, 4, 4], shard_shape: [8, 8, 16]}}\nblocks: {shape: " + blocks + "}\n";
}

inline const std::string watershed_chain =
    "stages:\n"
    "  watershed: {threshold_low: 0.2, threshold_high: 0.8, reads: {affinities: input}}\n"
    "  region_graph: {reads: {affinities: input}}\n"
    "  agglomerate: {threshold: 0.5}\n";
inline const std::string components_chain =
    "stages:\n"
    "  flaky: {writes: {image: copy}}\n"
    "  components: {connectivity: 6, foreground: above, threshold: 190, reads: {image: copy}}\n"
    "  relabel: {dense: true, reads: {labels: components}, writes: {labels: numbered}}\n";

inline void expect_done(const RunReport& report) {
  EXPECT_EQ(report.exit_code, ExitCode::done);
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(report.failures.empty());
}

inline Array voxels_of(const RunWorld& world, const std::string& dir, const std::string& name) {
  const auto volume = open_run_volume(world / dir, name);
  return volume->read_box(volume->domain());
}

inline std::size_t num_objects(const Array& labels) {
  std::set<std::uint64_t> names;
  const auto view = labels.view<std::uint64_t>();
  labels.box().for_each([&](Coord p) { names.insert(view[p]); });
  names.erase(0);
  return names.size();
}

}  // namespace petavox::test
