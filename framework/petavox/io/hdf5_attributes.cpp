// Attributes of foreign objects: read only when their size is what is expected.

#include "petavox/io/hdf5_dataset.hpp"

#include <algorithm>

namespace petavox::hdf5 {
namespace {

template <class T>
std::optional<std::vector<T>> read_numbers(hid_t object, const char* name, std::size_t count,
                                           hid_t memory_type) {
  if (H5Aexists(object, name) <= 0) return std::nullopt;
  const Handle attribute{H5Aopen(object, name, H5P_DEFAULT), H5Aclose};
  if (!attribute.valid()) return std::nullopt;
  const Handle space{H5Aget_space(attribute.id()), H5Sclose};
  const Handle type{H5Aget_type(attribute.id()), H5Tclose};
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return std::nullopt;
  const hssize_t points = H5Sget_simple_extent_npoints(space.id());
  if (points < 0 || static_cast<std::size_t>(points) != count) return std::nullopt;
  std::vector<T> values(count);
  if (count > 0 && H5Aread(attribute.id(), memory_type, values.data()) < 0) return std::nullopt;
  return values;
}

}  // namespace

std::optional<std::vector<double>> read_doubles(hid_t object, const char* name, std::size_t count) {
  return read_numbers<double>(object, name, count, H5T_NATIVE_DOUBLE);
}

std::optional<std::vector<std::int64_t>> read_integers(hid_t object, const char* name, std::size_t count) {
  return read_numbers<std::int64_t>(object, name, count, H5T_NATIVE_INT64);
}

std::optional<std::vector<std::uint64_t>> read_unsigned(hid_t object, const char* name, std::size_t count) {
  return read_numbers<std::uint64_t>(object, name, count, H5T_NATIVE_UINT64);
}

std::optional<std::string> read_text(hid_t object, const char* name) {
  constexpr std::size_t longest = 256;
  if (H5Aexists(object, name) <= 0) return std::nullopt;
  const Handle attribute{H5Aopen(object, name, H5P_DEFAULT), H5Aclose};
  if (!attribute.valid()) return std::nullopt;
  const Handle type{H5Aget_type(attribute.id()), H5Tclose};
  const Handle space{H5Aget_space(attribute.id()), H5Sclose};
  if (H5Tget_class(type.id()) != H5T_STRING || H5Tis_variable_str(type.id()) != 0) return std::nullopt;
  const std::size_t size = H5Tget_size(type.id());
  if (size == 0 || size > longest || H5Sget_simple_extent_npoints(space.id()) != 1) return std::nullopt;
  std::string text(size, '\0');
  if (H5Aread(attribute.id(), type.id(), text.data()) < 0) return std::nullopt;
  text.resize(std::min(text.find('\0'), size));
  return text;
}

hid_t native_type(DType type) {
  switch (type) {
    case DType::u8:
      return H5T_NATIVE_UINT8;
    case DType::u16:
      return H5T_NATIVE_UINT16;
    case DType::u32:
      return H5T_NATIVE_UINT32;
    case DType::u64:
      return H5T_NATIVE_UINT64;
    case DType::i8:
      return H5T_NATIVE_INT8;
    case DType::i16:
      return H5T_NATIVE_INT16;
    case DType::i32:
      return H5T_NATIVE_INT32;
    case DType::i64:
      return H5T_NATIVE_INT64;
    case DType::f32:
      return H5T_NATIVE_FLOAT;
  }
  throw Error{ErrorCode::internal, "unknown voxel type (a bug in petavox); please report it"};
}

hid_t stored_type(DType type) {
  switch (type) {
    case DType::u8:
      return H5T_STD_U8LE;
    case DType::u16:
      return H5T_STD_U16LE;
    case DType::u32:
      return H5T_STD_U32LE;
    case DType::u64:
      return H5T_STD_U64LE;
    case DType::i8:
      return H5T_STD_I8LE;
    case DType::i16:
      return H5T_STD_I16LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::i64:
      return H5T_STD_I64LE;
    case DType::f32:
      return H5T_IEEE_F32LE;
  }
  throw Error{ErrorCode::internal, "unknown voxel type (a bug in petavox); please report it"};
}

}  // namespace petavox::hdf5
