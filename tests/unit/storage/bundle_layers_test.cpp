// A halo of one voxel costs a face and not a layer of chunks.

#include "petavox/io/bundle.hpp"

#include "storage_fixture.hpp"

#include <cstring>

namespace petavox::storage_test {
namespace {

struct Counted {
  explicit Counted(Bytes made) : bundle{std::move(made)} {}
  BundleReader reader() {
    return {[this](std::uint64_t offset, std::span<std::byte> into) {
              bytes += into.size();
              ++reads;
              std::memcpy(into.data(), bundle.data() + offset, into.size());
            },
            bundle.size(), 1, "step 0 task 0"};
  }
  Bytes bundle;
  std::uint64_t bytes = 0, reads = 0;
};

const Box box{{0, 0, 0}, {64, 64, 64}};
const Box domain{{0, -64, -64}, {128, 64, 128}};  // faces low z and high y are faces of the domain

Bytes bundle_of(const Array& image, bool layers) {
  BundleWriter writer{1};
  writer.add_image(0, image, {32, 32, 32}, {Codec::none, 0, Shuffle::none}, layers);
  return writer.finish();
}

TEST(BundleLayers, AFaceIsReadAlone) {
  const Array image = test_image(DType::u8, box, domain, 1, 1);
  Counted with{bundle_of(image, true)}, without{bundle_of(image, false)};
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true}) {
      const Box face = face_layer(box, axis, high);
      const BundleReader layered = with.reader(), plain = without.reader();
      with.bytes = without.bytes = with.reads = 0;
      Array a{DType::u8, face, domain}, b{DType::u8, face, domain};
      layered.read_image(0, a, face);
      plain.read_image(0, b, face);
      EXPECT_TRUE(equal_on(a, image, face));
      EXPECT_TRUE(equal_on(b, image, face));
      if ((open_faces(box, domain) & face_bit(axis, high)) != 0) {
        EXPECT_EQ(with.bytes, 64U * 64U);
        EXPECT_EQ(with.reads, 1U) << "adjacent chunks are read at once";
      } else {
        EXPECT_EQ(with.bytes, without.bytes) << "no neighbour reads that face, so it is not stored";
      }
      EXPECT_EQ(without.bytes, 64U * 64U * 32U);
    }
}

TEST(BundleLayers, EdgesAndCornersReadAPieceOfALayer) {
  const Array image = test_image(DType::u8, box, domain, 1, 1);
  Counted with{bundle_of(image, true)};
  const BundleReader reader = with.reader();
  const Box corner{{63, 0, 63}, {64, 1, 64}}, edge{{63, 0, 0}, {64, 1, 64}};
  for (const Box& region : {corner, edge}) {
    with.bytes = 0;
    Array into{DType::u8, region, domain};
    reader.read_image(0, into, region);
    EXPECT_TRUE(equal_on(into, image, region));
    EXPECT_LE(with.bytes, region == corner ? 32U * 32U : 64U * 32U);
  }
}

TEST(BundleLayers, LabelsToo) {
  const LabelArray labels{test_labels(box, domain, 300, 1), {}};
  BundleWriter writer{1};
  writer.add_labels(0, labels, {32, 32, 32}, default_label_codec(), true);
  Counted counted{writer.finish()};
  const BundleReader reader = counted.reader();
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true}) {
      const Box face = face_layer(box, axis, high);
      Array into{DType::u32, face, domain};
      counted.bytes = 0;
      reader.read_labels(0, into, face);
      EXPECT_TRUE(equal_on(into, labels.ids, face));
    }
}

TEST(BundleLayers, AOneVoxelThickBoxNeedsNoLayers) {
  const Box flat{{5, 0, 0}, {6, 20, 20}};
  const Box around = flat.grow(Halo::uniform(10));
  const Array image = test_image(DType::u8, flat, around, 1, 1);
  BundleWriter writer{1};
  writer.add_image(0, image, {8, 8, 8}, {Codec::none, 0, Shuffle::none}, true);
  Counted counted{writer.finish()};
  const BundleReader reader = counted.reader();
  // 400 voxels and four layers of 20; the faces along z are the box itself.
  EXPECT_EQ(reader.info(0)->stored_bytes, 400U + 4 * 20U);
}

}  // namespace
}  // namespace petavox::storage_test
