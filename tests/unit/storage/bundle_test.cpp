#include "petavox/io/bundle.hpp"

#include "storage_fixture.hpp"

#include <atomic>
#include <cstring>
#include <thread>

namespace petavox::storage_test {
namespace {

BundleReader reader_of(const Bytes& bundle, std::uint64_t key = 42) {
  return {[bundle](std::uint64_t offset, std::span<std::byte> into) {
            ASSERT_LE(offset + into.size(), bundle.size());
            std::memcpy(into.data(), bundle.data() + offset, into.size());
          },
          bundle.size(), key, "step 1 task 2"};
}

const std::vector<Box> boxes{
    Box{{0, 0, 0}, {8, 8, 8}}, Box{{-5, 3, -17}, {14, 22, 15}}, Box{{100, -1, 7}, {101, 40, 9}},
    Box{{1LL << 40, -(1LL << 41), 5}, {(1LL << 40) + 3, -(1LL << 41) + 2, 70}}, Box{{3, 3, 3}, {4, 4, 4}}};
const Box far_domain{{-(1LL << 45), -(1LL << 45), -(1LL << 45)}, {1LL << 45, 1LL << 45, 1LL << 45}};

TEST(Bundle, ImagesOfEveryTypeAndShape) {
  int cases = 0;
  for (int t = 0; t < num_dtypes; ++t)
    for (const Box& box : boxes)
      for (const Extent chunk :
           {Extent{4, 4, 4}, Extent{7, 5, 3}, Extent{1, 64, 64}, Extent{1000, 1000, 1000}})
        for (const int channels : {1, 3})
          for (const bool layers : {false, true}) {
            const auto type = static_cast<DType>(t);
            const Array image =
                test_image(type, box, far_domain, channels, static_cast<std::uint64_t>(++cases));
            BundleWriter writer{42};
            writer.add_image(7, image, chunk, default_image_codec(type), layers);
            const BundleReader reader = reader_of(writer.finish());
            Array back{type, box, far_domain, channels};
            reader.read_image(7, back, box);
            ASSERT_TRUE(std::ranges::equal(back.bytes(), image.bytes())) << name_of(type) << to_string(box);
            const PartInfo info = reader.info(7).value();
            EXPECT_EQ(info.kind, PartKind::image);
            EXPECT_EQ(info.dtype, type);
            EXPECT_EQ(info.channels, channels);
            EXPECT_EQ(info.box, box);
            EXPECT_EQ(info.chunk, chunk);
          }
}

TEST(Bundle, AnyRegionOfAnImage) {
  const Box box{{-5, 3, -17}, {14, 22, 15}};
  const Array image = test_image(DType::u16, box, box, 2, 5);
  for (const bool layers : {false, true}) {
    Array whole{DType::u16, box, Box{{-100, -100, -100}, {100, 100, 100}}, 2};
    copy_box(image, whole, box);
    BundleWriter writer{42};
    writer.add_image(0, whole, {6, 7, 8}, {Codec::lz4, 1, Shuffle::byte}, layers);
    const BundleReader reader = reader_of(writer.finish());
    Random random{9};
    for (int trial = 0; trial < 300; ++trial) {
      Box region;
      for (int axis = 0; axis < 3; ++axis) {
        const auto n = static_cast<std::uint64_t>(box.shape()[axis]);
        region.begin[axis] = box.begin[axis] + static_cast<Index>(random.below(n));
        region.end[axis] =
            region.begin[axis] + 1 +
            static_cast<Index>(random.below(static_cast<std::uint64_t>(box.end[axis] - region.begin[axis])));
        // Often a layer at a face, as halos ask for.
        if (random.below(3) == 0) region.begin[axis] = region.end[axis] = box.end[axis], --region.begin[axis];
        if (random.below(3) == 0) region.begin[axis] = region.end[axis] = box.begin[axis], ++region.end[axis];
      }
      // Into a larger array whose other voxels must stay as they are.
      Array into{DType::u16, region.grow(Halo::uniform(2)), box, 2};
      std::ranges::fill(into.bytes(), std::byte{0xab});
      reader.read_image(0, into, region);
      ASSERT_TRUE(equal_on(into, image, region)) << to_string(region);
      const auto view = into.view<std::uint16_t>();
      into.box().for_each([&](Coord p) {
        if (!region.contains(p)) {
          ASSERT_EQ(view[p], 0xabab) << to_string(p);
        }
      });
    }
  }
}

TEST(Bundle, Labels) {
  for (const Box& box : boxes)
    for (const std::uint32_t num_ids : {0U, 1U, 200U, 300U, 70000U}) {
      LabelArray labels{test_labels(box, far_domain, num_ids, 3), {}};
      BundleWriter writer{42};
      writer.add_labels(1, labels, {4, 4, 8}, default_label_codec(), true);
      const BundleReader reader = reader_of(writer.finish());
      Array back{DType::u32, box, far_domain};
      reader.read_labels(1, back, box);
      ASSERT_TRUE(std::ranges::equal(back.bytes(), labels.ids.bytes()));
      Box half = box;
      half.end.x = half.begin.x + (box.shape().x + 1) / 2;
      Array part{DType::u32, half, far_domain};
      reader.read_labels(1, part, half);
      EXPECT_TRUE(equal_on(part, labels.ids, half));
    }
}

TEST(Bundle, LabelTables) {
  Random random{4};
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{1 << 20},
                              std::size_t{(1 << 20) + 1}}) {
    LabelTable table;
    for (std::size_t i = 0; i < n; ++i) {
      table.names.push_back(random());
      table.sizes.push_back(random.below(10000));
      table.faces.push_back(static_cast<FaceMask>(random.below(64)));
    }
    BundleWriter writer{42};
    writer.add_label_table(3, table);
    const BundleReader reader = reader_of(writer.finish());
    const LabelTable back = reader.label_table(3);
    EXPECT_EQ(back.names, table.names);
    EXPECT_EQ(back.sizes, table.sizes);
    EXPECT_EQ(back.faces, table.faces);
    EXPECT_EQ(reader.info(3)->count, n);
  }
}

struct Edge {
  std::uint64_t a, b;
  std::uint32_t count;
  std::uint16_t best, kind;
};

TEST(Bundle, Tables) {
  const std::vector<Column> columns{{"a", DType::u64},
                                    {"b", DType::u64},
                                    {"count", DType::u32},
                                    {"best", DType::u16},
                                    {"kind", DType::u16}};
  Random random{4};
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{777}, std::size_t{(1 << 20) + 3}}) {
    std::vector<Edge> rows(n);
    for (Edge& e : rows)
      e = {random(), random(), static_cast<std::uint32_t>(random.below(99)),
           static_cast<std::uint16_t>(random()), 1};
    Table table{columns};
    table.append(std::span<const Edge>{rows});
    BundleWriter writer{42};
    writer.add_table(2, table);
    const BundleReader reader = reader_of(writer.finish());
    const Table back = reader.table(2, columns);
    EXPECT_EQ(back.data(), table.data());
    EXPECT_EQ(back.columns(), columns);
    const auto error = error_of([&] { (void)reader.table(2, {{"a", DType::u64}}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::contract);
    EXPECT_TRUE(well_worded(*error)) << error->what();
  }
}

TEST(Bundle, Blobs) {
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8},
                              std::size_t{100000}, std::size_t{1 << 20}, std::size_t{(3 << 20) + 5}}) {
    for (const bool noisy : {false, true}) {
      Bytes bytes = noisy ? random_bytes(n, n) : Bytes(n);
      if (!noisy)
        for (std::size_t i = 0; i + 8 <= n; i += 8) bytes[i] = static_cast<std::byte>(i / 8);
      BundleWriter writer{42};
      writer.add_blob(9, bytes);
      const BundleReader reader = reader_of(writer.finish());
      EXPECT_EQ(reader.blob(9), bytes);
      if (n < 10) continue;
      Bytes part(n / 3);
      reader.read_blob(9, n / 2, part);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), bytes.begin() + static_cast<std::ptrdiff_t>(n / 2)));
      Bytes beyond(n);
      EXPECT_THROW(reader.read_blob(9, 1, beyond), Error);
      EXPECT_THROW(reader.read_blob(9, ~0ULL, beyond), Error);
    }
  }
}

TEST(Bundle, ManyPartsAndNone) {
  BundleWriter writer{42};
  const BundleReader empty = reader_of(writer.finish());
  EXPECT_TRUE(empty.parts().empty());
  for (std::uint32_t i = 0; i < 1000; ++i) writer.add_blob(i * 7, random_bytes(i % 13, i));
  const BundleReader reader = reader_of(writer.finish());
  EXPECT_EQ(reader.parts().size(), 1000U);
  for (std::uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(reader.blob(i * 7), random_bytes(i % 13, i));
  reader.verify();
}

TEST(Bundle, EqualContentGivesEqualBytes) {
  const auto make = [] {
    BundleWriter writer{42};
    writer.add_image(1, test_image(DType::f32, boxes[1], boxes[1], 1, 3), {8, 8, 8},
                     default_image_codec(DType::f32), true);
    writer.add_labels(2, {test_labels(boxes[1], boxes[1], 9, 1), {}}, {8, 8, 8}, default_label_codec(), true);
    return writer.finish();
  };
  EXPECT_EQ(make(), make());
}

TEST(Bundle, EmptyBoxes) {
  const Box none{{3, 3, 3}, {3, 9, 9}};
  BundleWriter writer{42};
  writer.add_image(1, Array{DType::u8, none, far_domain}, {4, 4, 4}, default_image_codec(DType::u8), true);
  writer.add_labels(2, {Array{DType::u32, none, far_domain}, {}}, {4, 4, 4}, default_label_codec(), true);
  const BundleReader reader = reader_of(writer.finish());
  Array into{DType::u8, none, far_domain};
  reader.read_image(1, into, none);
  reader.verify();
}

TEST(Bundle, WrongRequestsAreContractErrors) {
  BundleWriter writer{42};
  const Box box{{0, 0, 0}, {4, 4, 4}};
  writer.add_image(1, Array{DType::u8, box}, {4, 4, 4}, default_image_codec(DType::u8), false);
  writer.add_blob(2, {});
  const BundleReader reader = reader_of(writer.finish());
  const auto expect_contract = [](const auto& f) {
    const auto error = error_of(f);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::contract) << error->what();
    EXPECT_TRUE(well_worded(*error)) << error->what();
  };
  Array u8{DType::u8, box}, u16{DType::u16, box}, two{DType::u8, box, 2}, u32{DType::u32, box};
  expect_contract([&] { reader.read_image(1, u16, box); });
  expect_contract([&] { reader.read_image(1, two, box); });
  expect_contract([&] { reader.read_image(2, u8, box); });
  expect_contract([&] { reader.read_image(3, u8, box); });
  expect_contract([&] { reader.read_labels(1, u32, box); });
  expect_contract([&] { (void)reader.label_table(1); });
  expect_contract([&] { (void)reader.blob(1); });
  expect_contract([&] { reader.read_image(1, u8, Box{{0, 0, 0}, {5, 4, 4}}); });
  EXPECT_FALSE(reader.info(3));
  BundleWriter twice{1};
  twice.add_blob(1, {});
  EXPECT_THROW(twice.add_blob(1, {}), Error);
}

using BundleInPack = StorageTest;

TEST_F(BundleInPack, ReadsThroughTheCacheFromManyThreads) {
  const Box box{{0, 0, 0}, {40, 40, 40}};
  const Box domain{{-40, -40, -40}, {80, 80, 80}};
  const Array image = test_image(DType::u8, box, domain, 1, 8);
  const LabelArray labels{test_labels(box, domain, 50, 2), {}};
  BundleWriter writer{99};
  writer.add_image(1, image, {16, 16, 16}, default_image_codec(DType::u8), true);
  writer.add_labels(2, labels, {16, 16, 16}, default_label_codec(), true);
  PackWriter pack{root, 3, 1};
  (void)pack.append(Bytes(77));
  const Location location = pack.append(writer.finish());
  pack.sync();
  auto packs = std::make_shared<const PackReader>(root);
  for (const std::size_t budget : {std::size_t{0}, std::size_t{20000}, std::size_t{1} << 30}) {
    const auto cache = std::make_shared<ChunkCache>(budget);
    const BundleReader reader{packs, location, 99, "step 0 task 0", cache};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        Random random{t};
        for (int i = 0; i < 60; ++i) {
          Box region;
          for (int axis = 0; axis < 3; ++axis) {
            region.begin[axis] = static_cast<Index>(random.below(40));
            region.end[axis] =
                region.begin[axis] + 1 +
                static_cast<Index>(random.below(40 - static_cast<std::uint64_t>(region.begin[axis])));
          }
          Array some{DType::u8, region, domain}, ids{DType::u32, region, domain};
          reader.read_image(1, some, region);
          reader.read_labels(2, ids, region);
          if (!equal_on(some, image, region) || !equal_on(ids, labels.ids, region)) ++wrong;
        }
      });
    for (auto& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(cache->statistics().size_bytes, budget);
    if (budget > 1000000) {
      EXPECT_GT(cache->statistics().hits, cache->statistics().misses);
    }
  }
}

}  // namespace
}  // namespace petavox::storage_test
