// The choice of a vector path, and rows of bits on each of them.

#include "petavox/base/error.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/volume/bit_rows.hpp"

#include "unit/kernels/every_path.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::on_every_path;
using testing::Random;

TEST(SimdPaths, EndWithWhatEveryMachineHasAndBeginWithTheOneInUse) {
  const auto paths = simd::paths();
  ASSERT_FALSE(paths.empty());
#ifdef __x86_64__
  EXPECT_EQ(paths.back(), "baseline");
#endif
  EXPECT_EQ(simd::path(), paths.front());
  on_every_path([](const std::string& path) { EXPECT_EQ(simd::path(), path); });
  EXPECT_EQ(simd::path(), paths.front());
}

TEST(SimdPaths, RefuseAnUnknownOneAndNameTheOthers) {
  try {
    simd::use_path("mmx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    std::string known;
    for (const std::string& path : simd::paths()) known += path + ", ";
    EXPECT_EQ(
        std::string{error.what()},
        "there is no vector path 'mmx' on this machine (its processor or this build lacks it); use one of " +
            known.substr(0, known.size() - 2) + " or best");
  }
  EXPECT_EQ(simd::path(), simd::paths().front());
}

TEST(SimdPaths, FollowTheEnvironment) {
  const std::string last = simd::paths().back();
  ::setenv("PETAVOX_SIMD", last.c_str(), 1);
  simd::use_path_of_environment();
  EXPECT_EQ(simd::path(), last);
  ::setenv("PETAVOX_SIMD", "abacus", 1);
  EXPECT_THROW(simd::use_path_of_environment(), Error);
  ::unsetenv("PETAVOX_SIMD");
  simd::use_path("best");
}

template <class T>
class BitRows : public ::testing::Test {};
using Widths = ::testing::Types<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(BitRows, Widths);

TYPED_TEST(BitRows, AreWhatTheyAreCalledOnEveryPath) {
  using T = TypeParam;
  Random random{7};
  for (std::size_t n = 0; n < 200; n += 1 + n / 40) {
    std::vector<T> a(n), b(n);
    for (std::size_t i = 0; i < n; ++i) {
      // Differences in the highest bits too.
      const T top = static_cast<T>(T{1} << (std::numeric_limits<T>::digits - 1));
      a[i] = static_cast<T>(random.below(3) == 0 ? 0 : random.below(2) == 0 ? top : 1 + top);
      b[i] = random.below(2) == 0 ? a[i] : T{1};
    }
    on_every_path([&](const std::string& path) {
      std::vector<std::uint64_t> equal(words_of(n)), nonzero(words_of(n)), least(words_of(n));
      equal_bits(a.data(), b.data(), n, equal.data());
      nonzero_bits(a.data(), n, nonzero.data());
      for (std::size_t i = 0; i < words_of(n) * 64; ++i) {
        const auto bit = [i](const std::vector<std::uint64_t>& bits) {
          return (bits[i / 64] >> i % 64 & 1) != 0;
        };
        ASSERT_EQ(bit(equal), i < n && a[i] == b[i]) << path << " " << n << " " << i;
        ASSERT_EQ(bit(nonzero), i < n && a[i] != 0) << path << " " << n << " " << i;
      }
      if constexpr (sizeof(T) <= 2) {
        for (const T limit :
             {T{0}, T{1}, static_cast<T>(T{1} << (sizeof(T) * 8 - 1)), std::numeric_limits<T>::max()}) {
          at_least_bits(a.data(), limit, n, least.data());
          for (std::size_t i = 0; i < words_of(n) * 64; ++i)
            ASSERT_EQ((least[i / 64] >> i % 64 & 1) != 0, i < n && a[i] >= limit)
                << path << " " << n << " " << i;
        }
        std::vector<T> best = b;
        raise_to(a.data(), n, best.data());
        for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(best[i], std::max(a[i], b[i])) << path;
      }
    });
  }
}

}  // namespace
}  // namespace petavox
