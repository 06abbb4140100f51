#include "petavox/io/hdf5_chunked_file.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/io/hdf5_dataset.hpp"
#include "petavox/io/hdf5_filters.hpp"
#include "petavox/io/output_root.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace petavox::hdf5 {
namespace {

constexpr const char* check_disk = "check the directory, its permissions and the space left";
constexpr const char* report_bug = "this is a bug or memory is short; please report it";

std::filesystem::path directory_of(const std::filesystem::path& file) {
  const auto parent = file.parent_path();
  return parent.empty() ? std::filesystem::path{"."} : parent;
}

hsize_t size(Index n) { return static_cast<hsize_t>(n); }

void check_dataset_path(const std::string& path) {
  bool good = path.size() > 1 && path.size() <= 1024 && path.front() == '/' && path.back() != '/';
  good = good && path.find("//") == std::string::npos && path.find('\0') == std::string::npos;
  if (!good)
    throw Error{
        ErrorCode::config,
        "\"" + path + "\" cannot name a dataset (it must be a path such as /volumes/labels); correct it"};
}

// The group of the dataset: made here and not by the library, which would store times in it.
void create_groups(const Handle& file, const std::string& dataset) {
  const Handle creation = own(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "cannot make a group", report_bug);
  H5Pset_obj_track_times(creation.id(), false);
  for (std::size_t at = dataset.find('/', 1); at != std::string::npos; at = dataset.find('/', at + 1)) {
    const std::string group = dataset.substr(0, at);
    if (H5Lexists(file.id(), group.c_str(), H5P_DEFAULT) > 0) continue;
    own(H5Gcreate2(file.id(), group.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose,
        "cannot make the group " + group, check_disk);
  }
}

}  // namespace

Handle writing_access() {
  const Lock lock;
  Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "cannot prepare a file", report_bug);
  if (H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110) < 0 ||
      H5Pset_file_locking(access.id(), false, true) < 0)
    fail("cannot prepare a file", report_bug);
  return access;
}

Handle plain_file_creation() {
  const Lock lock;
  Handle creation = own(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "cannot prepare a file", report_bug);
  if (H5Pset_obj_track_times(creation.id(), false) < 0) fail("cannot prepare a file", report_bug);
  return creation;
}

void set_fill_value(hid_t creation, DType dtype) {
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    using Limits = std::numeric_limits<T>;
    T value{};
    if constexpr (std::is_same_v<T, float>)
      value = Limits::quiet_NaN();
    else
      value = static_cast<T>(Limits::is_signed ? Limits::min() : Limits::max() - 1);
    if (H5Pset_fill_value(creation, native_type(dtype), &value) < 0)
      fail("cannot set a fill value", report_bug);
  });
}

Handle creation_list(const ChunkedLayout& layout) {
  const Lock lock;
  Handle creation = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "cannot prepare a dataset", report_bug);
  const auto& chunk = layout.chunk_shape;
  const std::array<hsize_t, 4> dims{1, size(chunk.z), size(chunk.y), size(chunk.x)};
  const bool with_channels = layout.channels > 1;
  if (H5Pset_chunk(creation.id(), with_channels ? 4 : 3, dims.data() + (with_channels ? 0 : 1)) < 0 ||
      H5Pset_obj_track_times(creation.id(), false) < 0)
    fail("cannot prepare chunks of " + to_string(chunk), "choose another chunk shape");
  const auto bytes = checked_mul(checked_mul(checked_mul(usize(chunk.z), usize(chunk.y)), usize(chunk.x)),
                                 size_of(layout.dtype));
  set_codec(creation.id(), layout.codec, size_of(layout.dtype), bytes);
  set_fill_value(creation.id(), layout.dtype);
  return creation;
}

Handle create_dataset(const Handle& file, const ChunkedLayout& layout, const Handle& creation) {
  const Lock lock;
  check_dataset_path(layout.dataset);
  create_groups(file, layout.dataset);
  const auto& [z, y, x] = layout.shape;
  const auto& chunk = layout.chunk_shape;
  const std::array<hsize_t, 4> dims{size(layout.channels), size(z), size(y), size(x)};
  // The library wants a dataset to be able to hold one whole chunk.
  const std::array<hsize_t, 4> most{size(layout.channels), size(std::max(z, chunk.z)),
                                    size(std::max(y, chunk.y)), size(std::max(x, chunk.x))};
  const bool with_channels = layout.channels > 1;
  const std::size_t skip = with_channels ? 0 : 1;
  const std::string problem = "cannot make the dataset " + layout.dataset;
  const Handle space = own(H5Screate_simple(with_channels ? 4 : 3, dims.data() + skip, most.data() + skip),
                           H5Sclose, problem, report_bug);
  return own(H5Dcreate2(file.id(), layout.dataset.c_str(), stored_type(layout.dtype), space.id(), H5P_DEFAULT,
                        creation.id(), H5P_DEFAULT),
             H5Dclose, problem, check_disk);
}

NewFile::NewFile(const std::string& path) : path_{path} {
  const Lock lock;
  const Handle access = writing_access(), creation = plain_file_creation();
  handle_ = own(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation.id(), access.id()), H5Fclose,
                "cannot make the file " + path, check_disk);
}

void NewFile::close() {
  const Lock lock;
  const std::string problem = "cannot finish the file " + path_;
  try {
    // Flushing tells why it failed; closing then only frees.
    if (H5Fflush(handle_.id(), H5F_SCOPE_LOCAL) < 0) fail(problem, check_disk);
  } catch (...) {
    abandon();
    throw;
  }
  handle_.close_written(problem, check_disk);
}

void NewFile::abandon() noexcept {
  if (!handle_.valid()) return;
  try {
    const Lock lock;
    void* where = nullptr;
    if (H5Fget_vfd_handle(handle_.id(), H5P_DEFAULT, &where) >= 0 && where != nullptr) {
      const int memory = ::memfd_create("petavox-abandoned", MFD_CLOEXEC);
      if (memory >= 0) {
        ::dup3(memory, *static_cast<int*>(where), O_CLOEXEC);
        ::close(memory);
      }
    }
  } catch (...) {
    // Without the lock nothing can be done; closing reports for itself.
  }
}

ChunkedFile::ChunkedFile(const std::string& path, const ChunkedLayout& layout)
    : path_{path}, file_{path}, with_channels_{layout.channels > 1} {
  try {
    const Lock lock;
    dataset_ = create_dataset(file_.handle(), layout, creation_list(layout));
  } catch (...) {
    file_.abandon();
    throw;
  }
}

void ChunkedFile::put_chunk(int channel, Coord first, std::span<const std::byte> stored) {
  const std::array<hsize_t, 4> at{size(channel), size(first.z), size(first.y), size(first.x)};
  const Lock lock;
  constexpr std::uint32_t all_filters = 0;
  if (H5Dwrite_chunk(dataset_.id(), H5P_DEFAULT, all_filters, at.data() + (with_channels_ ? 0 : 1),
                     stored.size(), stored.data()) < 0)
    fail("cannot write the chunk at " + to_string(first) + " of " + path_, check_disk);
}

void ChunkedFile::put_table(const std::string& name, std::span<const std::uint64_t> values) {
  const Lock lock;
  const std::string problem = "cannot write the table " + name + " of " + path_;
  const hsize_t count = values.size();
  const Handle space = own(H5Screate_simple(1, &count, nullptr), H5Sclose, problem, report_bug);
  const Handle creation = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, problem, report_bug);
  H5Pset_obj_track_times(creation.id(), false);
  Handle table = own(H5Dcreate2(file_.handle().id(), name.c_str(), H5T_STD_U64LE, space.id(), H5P_DEFAULT,
                                creation.id(), H5P_DEFAULT),
                     H5Dclose, problem, check_disk);
  if (H5Dwrite(table.id(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
    fail(problem, check_disk);
  table.close_written(problem, check_disk);
}

void ChunkedFile::close() {
  const Lock lock;
  // Before the dataset is closed: what fails then can still be abandoned.
  if (H5Fflush(file_.handle().id(), H5F_SCOPE_LOCAL) < 0) fail("cannot finish the file " + path_, check_disk);
  dataset_.close_written("cannot finish the file " + path_, check_disk);
  file_.close();
}

void publish_written(const std::filesystem::path& temporary, const std::filesystem::path& file,
                     bool overwrite) {
  const TemporaryFile remove_it{temporary};
  const OutputRoot root = OutputRoot::open(directory_of(file).string());
  const std::string from = temporary.filename().string(), to = file.filename().string();
  root.open_for_reading(from).sync();
  if (!overwrite) {
    if (!root.try_publish_written(from, to))
      throw Error{ErrorCode::io,
                  file.string() +
                      " exists (it is not overwritten); remove it, name another file or ask to overwrite it"};
    return;
  }
  if (std::rename(temporary.c_str(), file.c_str()) != 0)
    throw system_error("rename", temporary.string(), errno);
  root.sync_directory("");
}

std::filesystem::path temporary_beside(const std::filesystem::path& file) {
  const OutputRoot root = OutputRoot::open(directory_of(file).string());
  return root.path_of(root.temporary_name(file.filename().string()));
}

}  // namespace petavox::hdf5
