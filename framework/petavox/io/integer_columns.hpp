#pragma once
// Columns of numbers in few bytes: neighbouring rows, and neighbouring columns, often differ little.
// Pure functions; thread-safe.

#include "petavox/base/bytes.hpp"

#include <cstddef>
#include <span>

namespace petavox::detail {

/// Packs a column whose elements have `width` bytes (1, 2, 4 or 8). `previous` is the column before it if
/// that has the same width and length, else empty; unpacking needs the same. Which of the two differences,
/// if any, is stored is chosen by size.
Bytes pack_column(std::span<const std::byte> column, std::size_t width, std::span<const std::byte> previous);

/// Throws Error{io} if the bytes cannot be a column of `into.size()` bytes.
void unpack_column(std::span<const std::byte> packed, std::size_t width, std::span<const std::byte> previous,
                   std::span<std::byte> into);

}  // namespace petavox::detail
