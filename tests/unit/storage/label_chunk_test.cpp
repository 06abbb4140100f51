#include "petavox/io/label_chunk.hpp"

#include "storage_fixture.hpp"

#include <algorithm>

namespace petavox::storage_test {
namespace {

using detail::LabelChunk;
using detail::LabelChunkPacker;

std::vector<std::uint32_t> ids_of(std::size_t n, std::uint32_t distinct, std::uint32_t first,
                                  std::uint64_t seed) {
  Random random{seed};
  std::vector<std::uint32_t> ids(n);
  for (auto& id : ids) id = first + static_cast<std::uint32_t>(random.below(distinct));
  return ids;
}

void expect_round_trip(LabelChunkPacker& packer, const std::vector<std::uint32_t>& ids) {
  const Bytes packed = packer.pack(ids, default_label_codec());
  const Bytes unpacked = LabelChunk::unpack(packed, ids.size());
  const LabelChunk chunk{unpacked};
  std::vector<std::uint32_t> back(ids.size());
  chunk.copy(0, back);
  EXPECT_EQ(back, ids);
  if (ids.size() > 10) {
    std::vector<std::uint32_t> part(5);
    chunk.copy(3, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), ids.begin() + 3));
  }
}

TEST(LabelChunk, RoundTripsAllWidths) {
  LabelChunkPacker packer{300000, 1 << 20};
  for (const std::uint32_t distinct : {1U, 2U, 255U, 256U, 257U, 65536U, 70000U, 300000U})
    expect_round_trip(packer, ids_of(1 << 19, distinct, 0, distinct));
  for (const std::size_t n : {1, 2, 3, 7}) expect_round_trip(packer, ids_of(n, 3, 299990, n));
  expect_round_trip(packer, {});
}

TEST(LabelChunk, SparseIdsAreStoredWithoutAList) {
  LabelChunkPacker packer{0xffffffffU, 1000};
  expect_round_trip(packer, ids_of(1000, 5, 0xfffffff0U, 1));
  LabelChunkPacker full{0xffffffffU, 1000};
  std::vector<std::uint32_t> ids{0xffffffffU, 0, 0xffffffffU};
  expect_round_trip(full, ids);
}

TEST(LabelChunk, BackgroundTakesAHandfulOfBytes) {
  LabelChunkPacker packer{10, 1000000};
  EXPECT_LE(packer.pack(std::vector<std::uint32_t>(262144, 0), default_label_codec()).size(), 4U);
}

TEST(LabelChunk, DamageNeverCrashesAndNeverReadsOutside) {
  LabelChunkPacker packer{2000, 1 << 20};
  Random random{5};
  for (const std::uint32_t distinct : {3U, 200U, 1000U}) {
    const auto ids = ids_of(3000, distinct, 1, 9);
    const Bytes good = packer.pack(ids, {Codec::lz4, 5, Shuffle::none});
    for (int trial = 0; trial < 3000; ++trial) {
      Bytes bad = good;
      bad[random.below(random.below(2) == 0 ? std::min<std::size_t>(30, bad.size()) : bad.size())] ^=
          static_cast<std::byte>(1U << random.below(8));
      if (random.below(8) == 0) bad.resize(random.below(bad.size()));
      (void)error_of([&] {
        const Bytes unpacked = LabelChunk::unpack(bad, ids.size());
        std::vector<std::uint32_t> back(ids.size());
        LabelChunk{unpacked}.copy(0, back);
      });
    }
  }
  EXPECT_THROW((void)LabelChunk::unpack({}, 5), Error);
  // A place beyond the list of ids: three ids, place 3.
  const Bytes places{std::byte{1}, std::byte{3}, std::byte{2}, std::byte{2},
                     std::byte{2}, std::byte{0}, std::byte{3}};
  EXPECT_THROW((void)LabelChunk::unpack(places, 2), Error);
}

}  // namespace
}  // namespace petavox::storage_test
