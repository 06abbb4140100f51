#include "apps/petavox/where.hpp"

#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/image_stack.hpp"
#include "petavox/run/run_directory.hpp"

#include "stages/phantom/phantom.hpp"

#include <map>
#include <mutex>
#include <system_error>

#include <fmt/format.h>

namespace petavox::app {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Volume> open_file(const fs::path& path, const std::string& dataset,
                                  std::optional<VoxelSizeNm> voxel_size_nm, GapPolicy gaps) {
  if (is_tile_list(path)) {
    const std::size_t first = dataset.find_first_not_of('/');
    return TileSet::volume(open_tile_set(path), first == std::string::npos ? "" : dataset.substr(first));
  }
  if (is_image_stack(path)) {
    if (!dataset.empty())
      throw Error{ErrorCode::config,
                  fmt::format("{} holds images, not datasets ('{}' cannot be looked up); leave the "
                              "dataset out",
                              path.string(), dataset)};
    ImageStackOptions options;
    options.gaps = gaps;
    if (voxel_size_nm) options.voxel_size_nm = *voxel_size_nm;
    return open_image_stack(path, options);
  }
  Hdf5Options options;
  options.voxel_size_nm = voxel_size_nm;
  return open_hdf5_volume(path, dataset, options);
}

}  // namespace

std::shared_ptr<const TileSet> open_tile_set(const fs::path& list) {
  static std::mutex mutex;
  static std::map<fs::path, std::weak_ptr<const TileSet>> sets;  // kept by the volumes that read from them
  const std::lock_guard lock{mutex};
  std::weak_ptr<const TileSet>& known = sets[list];
  if (auto set = known.lock()) return set;
  auto set = std::make_shared<const TileSet>(read_tile_list(list));
  known = set;
  return set;
}

std::unique_ptr<Volume> open_where(const std::string& where) {
  const auto [file, dataset] = split_dataset(where);
  if (!dataset.empty()) return open_file(file, dataset, std::nullopt, GapPolicy::refuse);
  const std::size_t colon = where.rfind(':');
  std::error_code ignored;
  if (colon != std::string::npos && !fs::exists(where, ignored)) {
    const fs::path directory = where.substr(0, colon);
    if (is_run_directory(directory)) return open_run_volume(directory, where.substr(colon + 1));
    if (fs::is_directory(directory, ignored))
      throw Error{ErrorCode::io,
                  fmt::format("{} is not the directory of a run (it has no plan.txt); name a directory "
                              "that `petavox run` wrote",
                              directory.string())};
  }
  if (is_run_directory(where))
    throw Error{ErrorCode::config,
                fmt::format("{0} is the directory of a run, which holds several volumes (one must be "
                            "chosen); write {0}:volume, see `petavox info {0}`",
                            where)};
  return open_file(where, "", std::nullopt, GapPolicy::refuse);
}

std::unique_ptr<Volume> open_input(const InputSpec& spec) {
  if (!spec.phantom) return open_file(spec.path, spec.dataset, spec.voxel_size_nm, spec.gaps);
  PhantomSpec phantom;
  phantom.shape = spec.phantom->shape;
  phantom.seed = spec.phantom->seed;
  phantom.noise = spec.phantom->noise;
  phantom.section_variation = spec.phantom->section_variation;
  phantom.section_jitter_nm = spec.phantom->section_jitter_nm;
  if (spec.voxel_size_nm) phantom.voxel_size_nm = *spec.voxel_size_nm;
  return open_phantom(phantom, spec.phantom->volume);
}

}  // namespace petavox::app
