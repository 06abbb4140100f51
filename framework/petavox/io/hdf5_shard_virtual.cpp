// The virtual dataset over the shards of a volume.

#include "petavox/base/checked.hpp"
#include "petavox/io/hdf5_chunked_file.hpp"
#include "petavox/io/hdf5_petavox.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/io/shard_writer.hpp"

#include <array>

namespace petavox {
namespace {

constexpr const char* report_bug = "this is a bug or memory is short; please report it";
using hdf5::Handle;

std::filesystem::path directory_of(const std::filesystem::path& file) {
  const auto parent = file.parent_path();
  return parent.empty() ? std::filesystem::path{"."} : parent;
}

// `directory` as seen from that of `file`: source names are relative to it, so that the whole may be moved.
std::string relative_directory(const std::filesystem::path& file, const std::filesystem::path& directory) {
  std::error_code error;
  const auto from = std::filesystem::canonical(directory_of(file), error);
  const auto to = error ? std::filesystem::path{} : std::filesystem::canonical(directory, error);
  if (error) throw system_error("find", directory.string(), error.value());
  const std::string relative = to.lexically_relative(from).string();
  if (relative.empty() || relative.starts_with(".."))
    throw Error{ErrorCode::config, "the shards in " + directory.string() +
                                       " do not lie beneath the directory of " + file.string() +
                                       " (their names in it would break when it is moved); put it above "
                                       "them"};
  return relative == "." ? "" : relative + "/";
}

std::string source_name(const std::string& relative, const ShardRecord& record) {
  std::string name = relative + record.file;
  check_relative_name(name);
  if (name.find('%') != std::string::npos)
    throw Error{ErrorCode::config,
                "the shard " + name +
                    " has a % in its name (HDF5 would take it for a pattern); rename its directory"};
  return name;
}

void check_complete(const Tiling& shards, const std::vector<ShardRecord>& records) {
  std::vector<bool> seen(usize(shards.count()));
  for (const ShardRecord& record : records) {
    if (record.shard < 0 || record.shard >= shards.count() || seen[usize(record.shard)])
      throw Error{ErrorCode::config,
                  "shard " + std::to_string(record.shard) +
                      " is given twice or is none of the volume's (the records are damaged); check the "
                      "run directory"};
    seen[usize(record.shard)] = true;
  }
  for (Index i = 0; i < shards.count(); ++i)
    if (!seen[usize(i)])
      throw Error{ErrorCode::config,
                  "shard " + std::to_string(i) + " with box " + to_string(shards.core(i)) +
                      " is missing (other programs would show made-up voxels there); finish the run"};
}

struct Dims {
  std::array<hsize_t, 4> value{};
  const hsize_t* from(bool with_channels) const { return value.data() + (with_channels ? 0 : 1); }
};

Dims dims_of(int channels, const Extent& e) {
  const auto size = [](Index n) { return static_cast<hsize_t>(n); };
  return {{size(channels), size(e.z), size(e.y), size(e.x)}};
}

Handle space_of(const Dims& dims, bool with_channels) {
  return hdf5::own(H5Screate_simple(with_channels ? 4 : 3, dims.from(with_channels), nullptr), H5Sclose,
                   "cannot make a data space", report_bug);
}

Handle mapping_list(const ShardSpec& spec, const std::string& relative,
                    const std::vector<ShardRecord>& records) {
  Handle creation =
      hdf5::own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "cannot prepare a dataset", report_bug);
  H5Pset_obj_track_times(creation.id(), false);
  hdf5::set_fill_value(creation.id(), spec.dtype);
  const Tiling shards = spec.layout.shards();
  const bool with_channels = spec.channels > 1;
  const std::string dataset = spec.dataset.starts_with('/') ? spec.dataset : "/" + spec.dataset;
  std::vector<const ShardRecord*> ordered(records.size());
  for (const ShardRecord& record : records) ordered[usize(record.shard)] = &record;
  for (const ShardRecord* record : ordered) {
    const Box core = shards.core(record->shard);
    const Extent at = core.begin - spec.layout.domain.begin;
    Dims start = dims_of(spec.channels, at), count = dims_of(spec.channels, core.shape());
    start.value[0] = 0;
    const Handle target = space_of(dims_of(spec.channels, spec.layout.domain.shape()), with_channels);
    const Handle source = space_of(count, with_channels);
    if (H5Sselect_hyperslab(target.id(), H5S_SELECT_SET, start.from(with_channels), nullptr,
                            count.from(with_channels), nullptr) < 0 ||
        H5Pset_virtual(creation.id(), target.id(), source_name(relative, *record).c_str(), dataset.c_str(),
                       source.id()) < 0)
      hdf5::fail("cannot map shard " + record->file, report_bug);
  }
  return creation;
}

}  // namespace

void write_virtual_dataset(const std::filesystem::path& file, const std::string& dataset,
                           const ShardSpec& spec, const std::filesystem::path& directory,
                           const std::vector<ShardRecord>& records) {
  check_complete(spec.layout.shards(), records);
  const std::string relative = relative_directory(file, directory);
  const OutputRoot shards = OutputRoot::open(directory.string());
  for (const ShardRecord& record : records) static_cast<void>(shards.open_for_reading(record.file));

  const hdf5::TemporaryFile temporary{hdf5::temporary_beside(file)};
  {
    const hdf5::Lock lock;
    hdf5::NewFile made{temporary.path().string()};
    const Handle creation = mapping_list(spec, relative, records);
    const hdf5::ChunkedLayout layout{dataset.starts_with('/') ? dataset : "/" + dataset,
                                     spec.dtype,
                                     spec.channels,
                                     spec.layout.domain.shape(),
                                     Extent::cube(1),
                                     {}};
    Handle virtual_dataset = hdf5::create_dataset(made.handle(), layout, creation);
    hdf5::write_public_attributes(virtual_dataset.id(), spec.voxel_size_nm, spec.channels,
                                  spec.layout.domain.begin);
    hdf5::write_shard_attributes(virtual_dataset.id(), spec, records);
    try {
      virtual_dataset.close_written("cannot write " + file.string(),
                                    "check the directory, its permissions and the space left");
    } catch (...) {
      made.abandon();
      throw;
    }
    made.close();
  }
  hdf5::publish_written(temporary.path(), file, true);
}

}  // namespace petavox
