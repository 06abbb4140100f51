#include "petavox/volume/dtype.hpp"

namespace petavox {

const char* name_of(DType type) noexcept {
  switch (type) {
    case DType::u8:
      return "uint8";
    case DType::u16:
      return "uint16";
    case DType::u32:
      return "uint32";
    case DType::u64:
      return "uint64";
    case DType::i8:
      return "int8";
    case DType::i16:
      return "int16";
    case DType::i32:
      return "int32";
    case DType::i64:
      return "int64";
    case DType::f32:
      return "float32";
  }
  return "unknown";
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (int i = 0; i < num_dtypes; ++i)
    if (name == name_of(static_cast<DType>(i))) return static_cast<DType>(i);
  return std::nullopt;
}

std::string to_string(DTypeSet set) {
  std::string text;
  for (int i = 0; i < num_dtypes; ++i)
    if (set.contains(static_cast<DType>(i)))
      text += (text.empty() ? "" : ", ") + std::string{name_of(static_cast<DType>(i))};
  return text;
}

}  // namespace petavox
