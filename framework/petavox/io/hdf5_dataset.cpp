#include "petavox/io/hdf5_dataset.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/io/hdf5_listing.hpp"
#include "petavox/io/hdf5_mappings.hpp"

#include <cmath>

namespace petavox::hdf5 {
namespace {

constexpr const char* damaged = "the file may be damaged: get a fresh copy";
constexpr Index most_channels = 1 << 16;

struct VoxelType {
  DType dtype;
  Handle memory;   // what H5Dread converts to
  bool as_stored;  // the bytes in the file are those in memory
  std::string note;
};

std::optional<DType> integer_type(std::size_t size, bool is_signed) {
  switch (size) {
    case 1:
      return is_signed ? DType::i8 : DType::u8;
    case 2:
      return is_signed ? DType::i16 : DType::u16;
    case 4:
      return is_signed ? DType::i32 : DType::u32;
    case 8:
      return is_signed ? DType::i64 : DType::u64;
    default:
      return std::nullopt;
  }
}

Handle copy_of(hid_t type) { return own(H5Tcopy(type), H5Tclose, "cannot read a type", damaged); }

std::optional<VoxelType> voxel_type(hid_t type) {
  const std::size_t size = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: {
      const auto dtype = integer_type(size, H5Tget_sign(type) == H5T_SGN_2);
      if (!dtype) return std::nullopt;
      return VoxelType{*dtype, copy_of(native_type(*dtype)), H5Tequal(type, stored_type(*dtype)) > 0, {}};
    }
    case H5T_FLOAT: {
      if (size != 2 && size != 4 && size != 8) return std::nullopt;
      std::string note;
      if (size == 8) note = "float64 is read as float32 (rounded; beyond its range, infinite)";
      if (size == 2) note = "float16 is read as float32 (exact)";
      return VoxelType{DType::f32, copy_of(H5T_NATIVE_FLOAT), H5Tequal(type, H5T_IEEE_F32LE) > 0, note};
    }
    case H5T_ENUM: {
      const Handle base{H5Tget_super(type), H5Tclose};
      const bool is_signed = H5Tget_sign(base.id()) == H5T_SGN_2;
      // h5py stores bool as an enumeration over int8; a byte that is 0 or 1 has no sign.
      const auto dtype = integer_type(size, size == 1 ? false : is_signed);
      if (!dtype) return std::nullopt;
      Handle native = own(H5Tget_native_type(type, H5T_DIR_ASCEND), H5Tclose, "cannot read a type", damaged);
      const bool little = size == 1 || H5Tget_order(base.id()) == H5T_ORDER_LE;
      return VoxelType{*dtype, std::move(native), little, "an enumeration is read as its numbers"};
    }
    case H5T_BITFIELD:
      if (size != 1) return std::nullopt;
      return VoxelType{DType::u8, copy_of(H5T_NATIVE_B8), true, "a bit field is read as uint8"};
    default:
      return std::nullopt;
  }
}

[[noreturn]] void missing(const Handle& file, const std::filesystem::path& path, const std::string& dataset) {
  const Listing listing = list_datasets(file, 1000);
  std::string what = "it holds no dataset at all; give another file";
  if (!listing.entries.empty()) {
    constexpr std::size_t shown = 20;
    what.clear();
    for (std::size_t i = 0; i < std::min(shown, listing.entries.size()); ++i)
      what += (i > 0 ? ", " : "") + listing.entries[i].path + " (" + listing.entries[i].text + ")";
    if (listing.entries.size() > shown || !listing.complete) what += ", …";
    const auto* guess = nearest(listing, dataset);
    what = "it holds " + what + "; did you mean " + guess->path + "?";
  }
  throw Error{ErrorCode::io, "there is no dataset " + dataset + " in " + path.string() + " (" +
                                 what.substr(0, what.find("; ")) + ")" + what.substr(what.find("; "))};
}

Handle open_checked(const Handle& file, const std::filesystem::path& path, const std::string& dataset,
                    std::size_t cache_bytes) {
  bool refused = false;
  const Handle access = guarded_access(&refused);
  // Only datasets that are read through H5Dread use the library's own cache.
  constexpr std::size_t slots = 1009;
  H5Pset_chunk_cache(access.id(), slots, cache_bytes, 1.0);
  const hid_t id = H5Dopen2(file.id(), dataset.c_str(), access.id());
  if (id >= 0) return {id, H5Dclose};
  const std::string reason = last_error();
  if (refused)
    throw Error{ErrorCode::io,
                "cannot open " + where(path, dataset) +
                    " (it is an external link, which may point to any file); give the file that it points "
                    "to"};
  // An object that is there but cannot be opened is another problem than one that is not.
  const Handle object{H5Oopen(file.id(), dataset.c_str(), access.id()), H5Oclose};
  if (!object.valid()) missing(file, path, dataset);
  if (H5Iget_type(object.id()) == H5I_GROUP) missing(file, path, dataset);
  throw Error{ErrorCode::io, "cannot open " + where(path, dataset) + " (" + reason + "); " + damaged};
}

void read_shape(Dataset& d, const std::string& name) {
  const Handle space =
      own(H5Dget_space(d.dataset.id()), H5Sclose, "cannot read the shape of " + name, damaged);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank != 3 && rank != 4)
    throw Error{
        ErrorCode::config,
        name + " has " + std::to_string(std::max(rank, 0)) +
            " axes (a volume has three, z,y,x, or four, c,z,y,x); reshape it or name another dataset"};
  d.rank = rank;
  std::array<hsize_t, 4> dims{};
  H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
  d.shape = {1, 0, 0, 0};
  const std::size_t skip = rank == 4 ? 0 : 1;
  for (std::size_t i = skip; i < 4; ++i) d.shape[i] = checked_cast<Index>(dims[i - skip]);
  const auto [c, z, y, x] = d.shape;
  if (c == 0 || z == 0 || y == 0 || x == 0)
    throw Error{ErrorCode::config,
                name + " has an axis of length 0 (there is nothing to read); check how it was made"};
  if (c > most_channels)
    throw Error{ErrorCode::resource,
                name + " has " + std::to_string(c) +
                    " channels (more than any volume; are its axes c,z,y,x?); reshape it"};
  d.info.channels = static_cast<int>(c);
  d.info.shape = {z, y, x};
}

void read_type(Dataset& d, const std::string& name) {
  const Handle type = own(H5Dget_type(d.dataset.id()), H5Tclose, "cannot read the type of " + name, damaged);
  d.info.stored_type = type_text(type.id());
  auto voxel = voxel_type(type.id());
  if (!voxel)
    throw Error{ErrorCode::config,
                name + " holds " + d.info.stored_type +
                    " (voxels are integers of 8 to 64 bits or floats of 16 to 64); convert it or name "
                    "another dataset"};
  d.info.dtype = voxel->dtype;
  const auto [c, z, y, x] = d.shape;
  checked_mul(checked_mul(checked_mul(checked_mul(c, z), y), x), static_cast<Index>(size_of(voxel->dtype)));
  d.memory_type = std::move(voxel->memory);
  d.direct = voxel->as_stored;
  if (!voxel->note.empty()) d.info.notes.push_back(voxel->note);
}

void read_chunks(Dataset& d, hid_t creation, const std::string& name, const Hdf5Options& options) {
  std::array<hsize_t, 4> dims{};
  if (H5Pget_chunk(creation, d.rank, dims.data()) != d.rank)
    fail("cannot read the chunks of " + name, damaged);
  Shape4 chunk{1, 1, 1, 1};
  const std::size_t skip = d.rank == 4 ? 0 : 1;
  std::size_t bytes = size_of(d.info.dtype);
  for (std::size_t i = skip; i < 4; ++i) {
    chunk[i] = checked_cast<Index>(dims[i - skip]);
    if (chunk[i] <= 0) fail("cannot read the chunks of " + name, damaged);
    bytes = checked_mul(bytes, static_cast<std::size_t>(chunk[i]));
  }
  if (bytes > options.max_chunk_bytes)
    throw Error{ErrorCode::resource,
                name + " has chunks of " + std::to_string(bytes) +
                    " bytes (each would have to be held whole); write it anew with smaller chunks"};
  d.chunk = chunk;
  d.chunk_bytes = bytes;
  d.info.chunk_shape = Extent{chunk[1], chunk[2], chunk[3]};
}

void read_filters(Dataset& d, hid_t creation, const std::string& name) {
  d.filters = filters_of(creation);
  if (d.chunk && can_decode(d.filters)) {
    const Handle type =
        own(H5Dget_type(d.dataset.id()), H5Tclose, "cannot read the type of " + name, damaged);
    d.decodable_voxel_bytes = H5Tget_size(type.id());
  }
  d.direct = d.direct && d.decodable_voxel_bytes > 0;
  for (const FilterStep& step : d.filters) {
    d.info.filters.push_back(step.text);
    if (H5Zfilter_avail(step.id) <= 0)
      throw Error{ErrorCode::io,
                  name + " is compressed with " + step.text +
                      " (the HDF5 library has no such filter here); install its plugin or write the "
                      "dataset anew with gzip"};
  }
}

void read_fill(Dataset& d, hid_t creation) {
  d.fill.assign(size_of(d.info.dtype), std::byte{0});
  H5D_fill_value_t defined{};
  if (H5Pfill_value_defined(creation, &defined) < 0 || defined != H5D_FILL_VALUE_USER_DEFINED) return;
  if (H5Pget_fill_value(creation, d.memory_type.id(), d.fill.data()) < 0) d.direct = false;
}

bool is_voxel_size(const std::vector<double>& size) {
  for (const double s : size)
    if (!(std::isfinite(s) && s > 0)) return false;
  return true;
}

void read_attributes(Dataset& d, const Hdf5Options& options) {
  d.info.voxel_size_source = "unknown";
  struct Source {
    const char* attribute;
    double to_nm;
  };
  for (const auto& [attribute, to_nm] :
       {Source{"voxel_size_nm", 1}, Source{"resolution", 1}, Source{"element_size_um", 1000}}) {
    const auto size = read_doubles(d.dataset.id(), attribute, 3);
    if (!size) continue;
    if (!is_voxel_size(*size)) {
      d.info.notes.push_back(std::string{"attribute "} + attribute + " is not a voxel size and is ignored");
      continue;
    }
    d.info.voxel_size_nm = {(*size)[0] * to_nm, (*size)[1] * to_nm, (*size)[2] * to_nm};
    d.info.voxel_size_source = attribute;
    break;
  }
  if (options.voxel_size_nm) {
    d.info.voxel_size_nm = *options.voxel_size_nm;
    d.info.voxel_size_source = "given";
  }
  if (const auto offset = read_doubles(d.dataset.id(), "offset", 3))
    d.info.offset_nm = {(*offset)[0], (*offset)[1], (*offset)[2]};
}

void read_layout(Dataset& d, const std::string& name, const Hdf5Options& options) {
  // Before anything else is asked of the dataset: some questions make the library open the sources of a
  // virtual one.
  const Handle creation =
      own(H5Dget_create_plist(d.dataset.id()), H5Pclose, "cannot read the header of " + name, damaged);
  if (H5Pget_external_count(creation.id()) > 0)
    throw Error{ErrorCode::io,
                name +
                    " keeps its voxels in other files (external storage, which may name any file); copy "
                    "it into one file, for example with h5repack"};
  const H5D_layout_t layout = H5Pget_layout(creation.id());
  d.is_virtual = layout == H5D_VIRTUAL;
  if (d.is_virtual) d.mappings = read_mappings(creation.id(), name);
  read_shape(d, name);
  read_type(d, name);
  switch (layout) {
    case H5D_COMPACT:
      d.info.layout = "compact";
      d.direct = false;
      break;
    case H5D_CONTIGUOUS:
      d.info.layout = "contiguous";
      d.direct = false;
      break;
    case H5D_CHUNKED:
      d.info.layout = "chunked";
      read_chunks(d, creation.id(), name, options);
      break;
    case H5D_VIRTUAL:
      d.info.layout = "virtual";
      d.direct = false;
      break;
    default:
      fail("cannot read the layout of " + name, damaged);
  }
  read_filters(d, creation.id(), name);
  read_fill(d, creation.id());
}

}  // namespace

std::string where(const std::filesystem::path& file, const std::string& dataset) {
  return file.string() + ":" + dataset;
}

std::string type_text(hid_t type) {
  const std::size_t bits = 8 * H5Tget_size(type);
  const bool big = bits > 8 && H5Tget_order(type) == H5T_ORDER_BE;
  const std::string suffix = std::to_string(bits) + (big ? " big-endian" : "");
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return (H5Tget_sign(type) == H5T_SGN_2 ? "int" : "uint") + suffix;
    case H5T_FLOAT:
      return "float" + suffix;
    case H5T_ENUM:
      return bits == 8 && H5Tget_nmembers(type) == 2 ? "bool" : "enum" + suffix;
    case H5T_BITFIELD:
      return "bitfield" + suffix;
    case H5T_STRING:
      return "string";
    case H5T_COMPOUND:
      return "compound";
    case H5T_OPAQUE:
      return "opaque";
    case H5T_REFERENCE:
      return "reference";
    case H5T_VLEN:
      return "variable length";
    case H5T_ARRAY:
      return "array";
    default:
      return "an unknown type";
  }
}

Dataset open_dataset(const std::filesystem::path& file, const std::string& dataset,
                     const Hdf5Options& options) {
  const Lock lock;
  Dataset d;
  d.info.file = file;
  d.info.dataset = dataset.starts_with('/') ? dataset : "/" + dataset;
  if (dataset.find('\0') != std::string::npos)
    throw Error{ErrorCode::config,
                "the dataset name holds a NUL character (no such dataset can exist); correct it"};
  d.file = open_file(file);
  d.dataset = open_checked(d.file, file, d.info.dataset, options.cache_bytes);
  read_layout(d, where(file, d.info.dataset), options);
  read_attributes(d, options);
  return d;
}

}  // namespace petavox::hdf5
