#pragma once
// 128-bit unsigned integers: for exact comparisons of fractions and sums of squares.

namespace petavox {

__extension__ typedef unsigned __int128 uint128;

}  // namespace petavox
