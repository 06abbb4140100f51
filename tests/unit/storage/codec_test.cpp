#include "petavox/io/codec.hpp"

#include "storage_fixture.hpp"

#include <numeric>

namespace petavox::storage_test {
namespace {

std::vector<CodecOptions> all_options() {
  std::vector<CodecOptions> all;
  for (const Codec codec : {Codec::none, Codec::lz4, Codec::lz4hc, Codec::zstd, Codec::blosclz, Codec::zlib})
    for (const Shuffle shuffle : {Shuffle::none, Shuffle::byte, Shuffle::bit})
      for (const int level : {0, 1, 5}) all.push_back({codec, level, shuffle});
  return all;
}

Bytes repetitive(std::size_t n) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i / 37 % 11);
  return bytes;
}

TEST(Codec, RoundTripsEverySizeAndOption) {
  for (const CodecOptions& options : all_options())
    for (const std::size_t width : {1, 2, 4, 8})
      for (const std::size_t n : {0, 1, 2, 3, 16, 17, 100, 4096, 70000}) {
        for (const Bytes& data : {repetitive(n * width), random_bytes(n * width, n + 7), Bytes(n * width)}) {
          const Bytes packed = pack_chunk(data, width, options);
          ASSERT_LE(packed.size(), data.size());
          Bytes back(data.size(), std::byte{0xee});
          unpack_chunk(packed, width, back);
          ASSERT_EQ(back, data) << name_of(options.codec) << options.level << name_of(options.shuffle)
                                << width << " " << n;
        }
      }
}

TEST(Codec, IncompressibleDataIsStoredAsItIs) {
  const Bytes data = random_bytes(50000, 3);
  EXPECT_EQ(pack_chunk(data, 1, {Codec::zstd, 5, Shuffle::none}), data);
}

TEST(Codec, ConstantDataIsOneElement) {
  for (const std::size_t width : {1, 2, 4, 8}) {
    Bytes data(100000 * width);
    const Bytes element = random_bytes(width, 5);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = element[i % width];
    EXPECT_EQ(pack_chunk(data, width, default_image_codec(DType::u8)), element);
    EXPECT_EQ(pack_chunk(data, width, {Codec::none, 0, Shuffle::none}), element);
  }
}

TEST(Codec, NamesRoundTrip) {
  for (const CodecOptions& options : all_options()) {
    EXPECT_EQ(parse_codec(name_of(options.codec)), options.codec);
    EXPECT_EQ(parse_shuffle(name_of(options.shuffle)), options.shuffle);
  }
  EXPECT_FALSE(parse_codec("snappy"));
  EXPECT_FALSE(parse_shuffle("Byte"));
}

TEST(Codec, ForeignSizesAreRefusedBeforeAllocation) {
  const Bytes data = repetitive(10000);
  const Bytes packed = pack_chunk(data, 1, {Codec::zstd, 1, Shuffle::none});
  for (const std::size_t wrong : {0, 1, 9999, 10001, 100000}) {
    Bytes into(wrong);
    const auto error = error_of([&] { unpack_chunk(packed, 1, into); });
    ASSERT_TRUE(error) << wrong;
    EXPECT_EQ(error->code(), ErrorCode::io);
    EXPECT_TRUE(well_worded(*error)) << error->what();
  }
}

// Not the defence against damage (checksums are): whatever the bytes are, nothing but an Error may come of
// them.
TEST(Codec, DamagedChunksNeverCrash) {
  Random random{11};
  for (const CodecOptions& options : all_options()) {
    const Bytes data = repetitive(5000);
    const Bytes good = blosc_buffer(data, 4, options);
    for (int trial = 0; trial < 60; ++trial) {
      Bytes bad = good;
      const auto flips = 1 + random.below(4);
      for (std::uint64_t i = 0; i < flips; ++i)
        bad[random.below(random.below(2) == 0 ? std::min<std::size_t>(40, bad.size()) : bad.size())] ^=
            static_cast<std::byte>(1U << random.below(8));
      if (random.below(4) == 0) bad.resize(random.below(bad.size()));
      Bytes into(data.size());
      (void)error_of([&] { unpack_chunk(bad, 4, into); });
      (void)error_of([&] { blosc_unpack(bad, into); });
    }
  }
  for (int trial = 0; trial < 2000; ++trial) {
    const Bytes noise = random_bytes(random.below(200), random());
    Bytes into(random.below(300));
    (void)error_of([&] { unpack_chunk(noise, 1, into); });
  }
}

TEST(Codec, BloscBuffersKeepTheirForm) {
  for (const CodecOptions& options : all_options()) {
    for (const Bytes& data : {repetitive(4096), random_bytes(4096, 1), Bytes{std::byte{1}}, Bytes{}}) {
      const Bytes buffer = blosc_buffer(data, 1, options);
      ASSERT_GE(buffer.size(), 16U);
      EXPECT_EQ(blosc_data_bytes(buffer), data.size());
      Bytes back(data.size());
      blosc_unpack(buffer, back);
      EXPECT_EQ(back, data);
    }
  }
  EXPECT_EQ(blosc_code(Codec::lz4), 1);
  EXPECT_EQ(blosc_code(Codec::zstd), 5);
  EXPECT_THROW((void)blosc_data_bytes(Bytes(15)), Error);
}

}  // namespace
}  // namespace petavox::storage_test
