#pragma once
// Arithmetic and conversions that throw instead of wrapping: for every size that comes from a file, a
// configuration or a message.

#include "petavox/base/error.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

namespace petavox {

/// a * b. Throws Error{resource} on overflow.
template <class T>
T checked_mul(T a, T b) {
  T result{};
  if (__builtin_mul_overflow(a, b, &result))
    throw Error{ErrorCode::resource, "size overflow in " + std::to_string(a) + " * " + std::to_string(b) +
                                         " (no such object can exist); check shapes and offsets"};
  return result;
}

/// a + b. Throws Error{resource} on overflow.
template <class T>
T checked_add(T a, T b) {
  T result{};
  if (__builtin_add_overflow(a, b, &result))
    throw Error{ErrorCode::resource, "size overflow in " + std::to_string(a) + " + " + std::to_string(b) +
                                         " (no such object can exist); check shapes and offsets"};
  return result;
}

/// The same value as another integer type. Throws Error{resource} if it does not fit.
template <class To, class From>
To checked_cast(From value) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  if (!std::in_range<To>(value))
    throw Error{ErrorCode::resource,
                "the number " + std::to_string(value) + " does not fit (it is out of range); check sizes"};
  return static_cast<To>(value);
}

/// An index that is known not to be negative, as a size. For subscripts.
constexpr std::size_t usize(std::int64_t value) { return static_cast<std::size_t>(value); }

}  // namespace petavox
