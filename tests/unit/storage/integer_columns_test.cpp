#include "petavox/io/integer_columns.hpp"

#include "petavox/base/varint.hpp"

#include "storage_fixture.hpp"

#include <limits>

namespace petavox::storage_test {
namespace {

using detail::pack_column;
using detail::unpack_column;

template <class T>
std::span<const std::byte> raw(const std::vector<T>& values) {
  return std::as_bytes(std::span{values});
}

void expect_round_trip(std::span<const std::byte> column, std::size_t width,
                       std::span<const std::byte> previous) {
  const Bytes packed = pack_column(column, width, previous);
  Bytes back(column.size(), std::byte{0x5a});
  unpack_column(packed, width, previous, back);
  EXPECT_TRUE(std::ranges::equal(back, column));
}

TEST(IntegerColumns, RoundTripsExtremeValuesOfAllWidths) {
  const auto check = [](auto zero) {
    using T = decltype(zero);
    constexpr T top = std::numeric_limits<T>::max();
    const std::vector<T> values{0, top, 0, top, 1, T(top / 2), T(top / 2 + 1), 5, 5, 5, top, 3};
    const std::vector<T> other{top, 0, 1, top, T(top / 2), 0, 9, 5, 4, 6, 0, T(top - 1)};
    expect_round_trip(raw(values), sizeof(T), {});
    expect_round_trip(raw(values), sizeof(T), raw(other));
    expect_round_trip(raw(other), sizeof(T), raw(values));
    expect_round_trip({}, sizeof(T), {});
    Random random{1};
    std::vector<T> noise(1000), next(1000), rising(1000);
    T last = 0;
    for (std::size_t i = 0; i < noise.size(); ++i) {
      noise[i] = static_cast<T>(random());
      next[i] = static_cast<T>(noise[i] + static_cast<T>(random.below(3)) - 1);
      rising[i] = last = static_cast<T>(last + static_cast<T>(random.below(4)));
    }
    expect_round_trip(raw(noise), sizeof(T), {});
    expect_round_trip(raw(next), sizeof(T), raw(noise));
    expect_round_trip(raw(rising), sizeof(T), raw(noise));
  };
  check(std::uint8_t{});
  check(std::uint16_t{});
  check(std::uint32_t{});
  check(std::uint64_t{});
}

TEST(IntegerColumns, SortedNamesTakeFewBytes) {
  Random random{2};
  std::vector<std::uint64_t> names(10000);
  std::uint64_t name = 1ULL << 45;
  for (auto& n : names) n = name += 1 + random.below(1000);
  EXPECT_LT(pack_column(raw(names), 8, {}).size(), 2.0 * 10000);
  std::vector<std::uint64_t> neighbours(10000);
  for (std::size_t i = 0; i < names.size(); ++i) neighbours[i] = names[i] + random.below(100);
  EXPECT_LT(pack_column(raw(neighbours), 8, raw(names)).size(), 1.1 * 10000);
}

TEST(IntegerColumns, DamageNeverCrashes) {
  Random random{3};
  std::vector<std::uint32_t> values(500);
  for (auto& v : values) v = static_cast<std::uint32_t>(random.below(1000));
  const Bytes good = pack_column(raw(values), 4, {});
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= static_cast<std::byte>(1U << random.below(8));
    Bytes into(values.size() * 4);
    (void)error_of([&] { unpack_column(bad, 4, {}, into); });
  }
  Bytes into(8);
  EXPECT_THROW(unpack_column({}, 4, {}, into), Error);
}

TEST(Varint, RoundTripsAndRefusesOverlongNumbers) {
  ByteWriter out;
  const std::vector<std::uint64_t> values{0, 1, 127, 128, 300, 1ULL << 32, ~0ULL, 1ULL << 63};
  for (const auto v : values) detail::put_varint(out, v);
  ByteReader in{out.bytes()};
  for (const auto v : values) EXPECT_EQ(detail::get_varint(in), v);
  EXPECT_TRUE(in.done());
  for (const std::int64_t v : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}, INT64_MIN, INT64_MAX})
    EXPECT_EQ(detail::unzigzag(detail::zigzag(v)), v);
  const Bytes endless(20, std::byte{0xff});
  ByteReader bad{endless};
  EXPECT_THROW((void)detail::get_varint(bad), Error);
  const Bytes cut(3, std::byte{0x80});
  ByteReader short_one{cut};
  EXPECT_THROW((void)detail::get_varint(short_one), Error);
}

}  // namespace
}  // namespace petavox::storage_test
