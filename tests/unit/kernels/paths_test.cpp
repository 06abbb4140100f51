// The choice of a vector path, and rows of bits on each of them.

#include "petavox/base/error.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/volume/bit_rows.hpp"
#include "petavox/volume/digest.hpp"

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

TYPED_TEST(BitRows, OfLabelsAreWhatTheyAreCalledOnEveryPath) {
  using T = TypeParam;
  Random random{8};
  for (std::size_t n = 1; n < 200; n += 1 + n / 40) {
    // No voxel beside the rows may count: what lies there is equal to the ends.
    std::vector<T> rows[3];
    for (std::vector<T>& row : rows) {
      row.resize(n + 2);
      for (T& label : row) label = static_cast<T>(random.below(3) == 0 ? 0 : ~random.below(3));
      row.front() = row[1];
      row.back() = row[n];
    }
    const T *row = rows[0].data() + 1, *before_y = rows[1].data() + 1, *before_z = rows[2].data() + 1;
    on_every_path([&](const std::string& path) {
      std::vector<std::uint64_t> bits[4];
      for (auto& kind : bits) kind.assign(words_of(n), 0xa5a5a5a5a5a5a5a5);
      label_bits(row, before_y, before_z, n,
                 {bits[0].data(), bits[1].data(), bits[2].data(), bits[3].data()});
      for (std::size_t i = 0; i < words_of(n) * 64; ++i) {
        const bool inside = i < n;
        const bool expected[] = {inside && (i == 0 || row[i] != row[i - 1]), inside && row[i] != 0,
                                 inside && row[i] != 0 && row[i] == before_y[i],
                                 inside && row[i] != 0 && row[i] == before_z[i]};
        for (std::size_t kind = 0; kind < 4; ++kind)
          ASSERT_EQ((bits[kind][i / 64] >> i % 64 & 1) != 0, expected[kind])
              << path << " " << n << " " << i << " kind " << kind;
      }
    });
  }
}

TEST(Digest, IsThatOfItsDefinitionOnEveryPath) {
  for (const Index width : {1, 7, 8, 63, 511, 512, 513, 1100}) {
    const Box domain = Box::from({-3, 5, 11}, {3, 4, width + 2});
    const Box box = Box::from({-2, 5, 12}, {2, 3, width});
    for (const DType type : {DType::u8, DType::u16, DType::u32, DType::u64}) {
      Array array{type, box, domain, 2};
      Random random{static_cast<std::uint64_t>(width)};
      for (std::byte& byte : array.bytes()) byte = static_cast<std::byte>(random.below(256));
      DigestSum expected;
      visit_dtype(type, [&]<class T>(std::type_identity<T>) {
        const auto view = std::as_const(array).view<T>();
        for (int c = 0; c < 2; ++c)
          box.for_each([&](Coord p) {
            const auto index = static_cast<std::uint64_t>(c * domain.voxels() + domain.raster(p));
            const std::uint64_t value =
                mix64(static_cast<std::uint64_t>(view.at(c, p)) + 0x632be59bd9b4e019ULL);
            const std::uint64_t h = mix64((index + 1) * 0x9e3779b97f4a7c15ULL ^ value);
            expected += {h, h * h + (h >> 32)};
          });
      });
      on_every_path([&](const std::string& path) {
        EXPECT_EQ(digest_part(array), expected) << path << ", rows of " << width;
      });
    }
  }
}

}  // namespace
}  // namespace petavox
