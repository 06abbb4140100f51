#include "petavox/io/integer_columns.hpp"

#include "petavox/base/check.hpp"
#include "petavox/io/codec.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

namespace petavox::detail {
namespace {

enum Method : std::uint8_t { plain = 0, row_difference = 1, column_difference = 2 };

template <class F>
void visit_width(std::size_t width, F&& f) {
  switch (width) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    case 8:
      return f(std::uint64_t{});
    default:
      PETAVOX_ASSERT(!"a column width of 1, 2, 4 or 8");
  }
}

// Modulo 2^bits, so every pair of values has a difference; small ones of either sign get small codes.
template <class T>
T fold(T difference) {
  const T sign = static_cast<T>(-(difference >> (sizeof(T) * 8 - 1)));
  return static_cast<T>(static_cast<T>(difference << 1) ^ sign);
}
template <class T>
T unfold(T code) {
  return static_cast<T>(static_cast<T>(code >> 1) ^ static_cast<T>(-(code & 1)));
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}
template <class T>
void store(std::span<std::byte> bytes, std::size_t i, T value) {
  std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
}

template <class T>
T code_of(Method method, std::span<const std::byte> column, std::span<const std::byte> previous,
          std::size_t i) {
  const T value = load<T>(column, i);
  if (method == row_difference) return fold(static_cast<T>(value - (i == 0 ? T{0} : load<T>(column, i - 1))));
  if (method == column_difference) return fold(static_cast<T>(value - load<T>(previous, i)));
  return value;
}

/// The method whose codes have the fewest significant bits.
template <class T>
Method best_method(std::span<const std::byte> column, std::span<const std::byte> previous) {
  const std::size_t n = column.size() / sizeof(T);
  std::uint64_t bits[3] = {0, 0, 0};
  for (std::size_t i = 0; i < n; ++i) {
    bits[plain] += static_cast<unsigned>(std::bit_width(code_of<T>(plain, column, previous, i)));
    bits[row_difference] +=
        static_cast<unsigned>(std::bit_width(code_of<T>(row_difference, column, previous, i)));
    if (!previous.empty())
      bits[column_difference] +=
          static_cast<unsigned>(std::bit_width(code_of<T>(column_difference, column, previous, i)));
  }
  Method best = plain;
  if (bits[row_difference] < bits[best]) best = row_difference;
  if (!previous.empty() && bits[column_difference] < bits[best]) best = column_difference;
  return best;
}

}  // namespace

Bytes pack_column(std::span<const std::byte> column, std::size_t width, std::span<const std::byte> previous) {
  PETAVOX_ASSERT(previous.empty() || previous.size() == column.size());
  Method method = plain;
  Bytes codes(column.size());
  visit_width(width, [&]<class T>(T) {
    method = best_method<T>(column, previous);
    for (std::size_t i = 0; i < column.size() / sizeof(T); ++i)
      store<T>(codes, i, code_of<T>(method, column, previous, i));
  });
  Bytes packed = pack_chunk(codes, width, default_table_codec());
  packed.insert(packed.begin(), static_cast<std::byte>(method));
  return packed;
}

void unpack_column(std::span<const std::byte> packed, std::size_t width, std::span<const std::byte> previous,
                   std::span<std::byte> into) {
  const auto method = packed.empty() ? 0xff : static_cast<unsigned>(packed[0]);
  if (method > column_difference || (method == column_difference && previous.size() != into.size()))
    throw Error{ErrorCode::io, "a column is stored in an unknown way (it is damaged); the object is refused"};
  unpack_chunk(packed.subspan(1), width, into);
  if (method == plain) return;
  visit_width(width, [&]<class T>(T) {
    T last = 0;
    for (std::size_t i = 0; i < into.size() / sizeof(T); ++i) {
      const T difference = unfold(load<T>(into, i));
      last = static_cast<T>(difference + (method == row_difference ? last : load<T>(previous, i)));
      store<T>(into, i, last);
    }
  });
}

}  // namespace petavox::detail
