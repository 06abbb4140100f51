#pragma once
// Run-time voxel types, and the one switch from a run-time type to a template parameter.

#include "petavox/base/error.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace petavox {

enum class DType : std::uint8_t { u8, u16, u32, u64, i8, i16, i32, i64, f32 };
inline constexpr int num_dtypes = 9;

template <class T>
concept Voxel =
    std::same_as<std::remove_const_t<T>, std::uint8_t> ||
    std::same_as<std::remove_const_t<T>, std::uint16_t> ||
    std::same_as<std::remove_const_t<T>, std::uint32_t> ||
    std::same_as<std::remove_const_t<T>, std::uint64_t> ||
    std::same_as<std::remove_const_t<T>, std::int8_t> || std::same_as<std::remove_const_t<T>, std::int16_t> ||
    std::same_as<std::remove_const_t<T>, std::int32_t> ||
    std::same_as<std::remove_const_t<T>, std::int64_t> || std::same_as < std::remove_const_t<T>,
float > ;

template <Voxel T>
constexpr DType dtype_of() {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_same_v<U, std::uint8_t>) return DType::u8;
  if constexpr (std::is_same_v<U, std::uint16_t>) return DType::u16;
  if constexpr (std::is_same_v<U, std::uint32_t>) return DType::u32;
  if constexpr (std::is_same_v<U, std::uint64_t>) return DType::u64;
  if constexpr (std::is_same_v<U, std::int8_t>) return DType::i8;
  if constexpr (std::is_same_v<U, std::int16_t>) return DType::i16;
  if constexpr (std::is_same_v<U, std::int32_t>) return DType::i32;
  if constexpr (std::is_same_v<U, std::int64_t>) return DType::i64;
  if constexpr (std::is_same_v<U, float>) return DType::f32;
}

/// Calls f(std::type_identity<T>{}) for the type. Once per block, never per voxel.
template <class F>
decltype(auto) visit_dtype(DType type, F&& f) {
  switch (type) {
    case DType::u8:
      return f(std::type_identity<std::uint8_t>{});
    case DType::u16:
      return f(std::type_identity<std::uint16_t>{});
    case DType::u32:
      return f(std::type_identity<std::uint32_t>{});
    case DType::u64:
      return f(std::type_identity<std::uint64_t>{});
    case DType::i8:
      return f(std::type_identity<std::int8_t>{});
    case DType::i16:
      return f(std::type_identity<std::int16_t>{});
    case DType::i32:
      return f(std::type_identity<std::int32_t>{});
    case DType::i64:
      return f(std::type_identity<std::int64_t>{});
    case DType::f32:
      return f(std::type_identity<float>{});
  }
  throw Error{ErrorCode::internal, "unknown voxel type (a bug in petavox); please report it"};
}

/// Bytes per voxel.
constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::u8:
    case DType::i8:
      return 1;
    case DType::u16:
    case DType::i16:
      return 2;
    case DType::u32:
    case DType::i32:
    case DType::f32:
      return 4;
    case DType::u64:
    case DType::i64:
      return 8;
  }
  return 0;
}

/// "uint8" … "float32", as NumPy says.
const char* name_of(DType type) noexcept;
std::optional<DType> parse_dtype(std::string_view name);

/// A set of types, for the ports of a stage.
class DTypeSet {
 public:
  constexpr DTypeSet() = default;
  constexpr DTypeSet(std::initializer_list<DType> types) {
    for (const DType t : types) bits_ |= 1U << static_cast<unsigned>(t);
  }
  static constexpr DTypeSet any() {
    DTypeSet set;
    set.bits_ = (1U << num_dtypes) - 1;
    return set;
  }
  static constexpr DTypeSet unsigned_integers() { return {DType::u8, DType::u16, DType::u32, DType::u64}; }
  constexpr bool contains(DType t) const { return (bits_ >> static_cast<unsigned>(t) & 1U) != 0; }
  friend constexpr bool operator==(const DTypeSet&, const DTypeSet&) = default;

 private:
  unsigned bits_ = 0;
};
/// "uint8, uint16".
std::string to_string(DTypeSet set);

}  // namespace petavox
