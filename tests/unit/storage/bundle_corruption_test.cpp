// Damage of every kind must be noticed before the data is used, and sound data never be refused.

#include "petavox/io/bundle.hpp"

#include "storage_fixture.hpp"

#include <cstring>

namespace petavox::storage_test::corruption {
namespace {

const Box box{{-3, 0, 5}, {21, 20, 30}};
const Box domain{{-50, -50, -50}, {50, 50, 50}};
const std::vector<Column> columns{{"a", DType::u64}, {"n", DType::u32}};

struct Content {
  Array image = test_image(DType::u8, box, domain, 2, 1);
  LabelArray labels{test_labels(box, domain, 60, 1), {}};
  LabelTable table;
  Table rows{columns};
  Bytes blob = random_bytes(3000, 1);
};

Content content_of(std::uint64_t seed) {
  Content c;
  c.image = test_image(DType::u8, box, domain, 2, seed);
  c.labels.ids = test_labels(box, domain, 60, seed);
  Random random{seed};
  for (int i = 0; i < 60; ++i) {
    c.table.names.push_back(random.below(1000000));
    c.table.sizes.push_back(random.below(1000));
    c.table.faces.push_back(static_cast<FaceMask>(random.below(64)));
  }
  ByteWriter rows;
  for (int i = 0; i < 200; ++i) {
    rows.put(random.below(100000));
    rows.put(static_cast<std::uint32_t>(random.below(9)));
  }
  c.rows.assign(rows.take());
  c.blob = random_bytes(3000, seed);
  return c;
}

Bytes bundle_of(const Content& c, std::uint64_t key) {
  BundleWriter writer{key};
  writer.add_image(0, c.image, {8, 8, 8}, default_image_codec(DType::u8), true);
  writer.add_labels(1, c.labels, {8, 8, 8}, default_label_codec(), true);
  writer.add_label_table(2, c.table);
  writer.add_table(3, c.rows);
  writer.add_blob(4, c.blob);
  return writer.finish();
}

BundleReader open_bundle(const Bytes& bundle, std::uint64_t length, std::uint64_t key) {
  return {[&bundle](std::uint64_t offset, std::span<std::byte> into) {
            if (offset + into.size() > bundle.size()) throw CorruptObject{"it ends early (a test); none"};
            std::memcpy(into.data(), bundle.data() + offset, into.size());
          },
          length, key, "step 1 task 2"};
}

/// Reads everything; true if all of it is as it was written.
bool same(const BundleReader& reader, const Content& c) {
  Array image{DType::u8, box, domain, 2}, ids{DType::u32, box, domain};
  reader.read_image(0, image, box);
  reader.read_labels(1, ids, box);
  bool good = std::ranges::equal(image.bytes(), c.image.bytes()) &&
              std::ranges::equal(ids.bytes(), c.labels.ids.bytes());
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true}) {
      const Box face = face_layer(box, axis, high);
      Array layer{DType::u8, face, domain, 2}, layer_ids{DType::u32, face, domain};
      reader.read_image(0, layer, face);
      reader.read_labels(1, layer_ids, face);
      good = good && equal_on(layer, c.image, face) && equal_on(layer_ids, c.labels.ids, face);
    }
  const LabelTable table = reader.label_table(2);
  return good && table.names == c.table.names && table.sizes == c.table.sizes &&
         table.faces == c.table.faces && reader.table(3, columns).data() == c.rows.data() &&
         reader.blob(4) == c.blob;
}

/// True if reading everything throws CorruptObject; fails the test if anything else comes of it.
bool detected(const Bytes& bundle, std::uint64_t length, std::uint64_t key, const Content& c) {
  try {
    const BundleReader reader = open_bundle(bundle, length, key);
    EXPECT_FALSE(same(reader, c)) << "the damage does not matter: the test is wrong";
    return false;
  } catch (const CorruptObject& error) {
    EXPECT_TRUE(well_worded(error)) << error.what();
    EXPECT_NE(std::string{error.what()}.find("step 1 task 2"), std::string::npos) << error.what();
    return true;
  }
}

class BundleCorruption : public testing::Test {
 protected:
  const Content content = content_of(1);
  const Bytes bundle = bundle_of(content, 42);
};

TEST_F(BundleCorruption, SoundDataIsNeverRefused) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Content c = content_of(seed);
    const Bytes b = bundle_of(c, seed * 77);
    const BundleReader reader = open_bundle(b, b.size(), seed * 77);
    ASSERT_TRUE(same(reader, c));
    reader.verify();
  }
}

TEST_F(BundleCorruption, AFlippedBitAnywhere) {
  Random random{1};
  for (std::size_t at = 0; at < bundle.size(); ++at) {
    Bytes bad = bundle;
    bad[at] ^= static_cast<std::byte>(1U << random.below(8));
    if (at % 16 == 0) {
      ASSERT_TRUE(detected(bad, bad.size(), 42, content)) << at;
    }
    // The cheap way for all bytes.
    EXPECT_THROW(open_bundle(bad, bad.size(), 42).verify(), CorruptObject) << at;
  }
}

TEST_F(BundleCorruption, ZeroedPieces) {
  Random random{2};
  for (int trial = 0; trial < 200; ++trial) {
    Bytes bad = bundle;
    const std::size_t n = 1 + random.below(4096), at = random.below(bad.size());
    for (std::size_t i = at; i < std::min(bad.size(), at + n); ++i) bad[i] = std::byte{0};
    if (bad == bundle) continue;
    EXPECT_TRUE(detected(bad, bad.size(), 42, content)) << at << " " << n;
  }
}

TEST_F(BundleCorruption, Truncation) {
  for (std::size_t n = 0; n < bundle.size(); n += n < 200 ? 1 : 97) {
    Bytes bad = bundle;
    bad.resize(n);
    EXPECT_TRUE(detected(bad, bundle.size(), 42, content)) << n;  // the file ends early
    EXPECT_TRUE(detected(bad, n, 42, content)) << n;              // and so does the record
  }
}

TEST_F(BundleCorruption, SwappedChunks) {
  // Two equal-sized stored chunks exchanged: raw chunks of an incompressible image have equal sizes.
  const Box cube{{0, 0, 0}, {16, 16, 16}};
  Array noise{DType::u8, cube, cube};
  const Bytes bytes = random_bytes(noise.bytes().size(), 9);
  std::ranges::copy(bytes, noise.bytes().begin());
  BundleWriter writer{42};
  writer.add_image(0, noise, {8, 8, 8}, default_image_codec(DType::u8), false);
  writer.add_image(1, noise, {8, 8, 8}, default_image_codec(DType::u8), false);
  const Bytes good = writer.finish();
  const std::size_t payload = good.size() - 2 * 16 * 16 * 16;
  int swaps = 0;
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      Bytes bad = good;
      const auto a = bad.begin() + static_cast<std::ptrdiff_t>(payload + i * 512);
      const auto b = bad.begin() + static_cast<std::ptrdiff_t>(payload + j * 512);
      std::swap_ranges(a, a + 512, b);
      if (i == j + 8) {
        // The same voxels in another part: equal bytes, so nothing is swapped.
        EXPECT_EQ(bad, good);
        continue;
      }
      EXPECT_THROW(open_bundle(bad, bad.size(), 42).verify(), CorruptObject) << i << " " << j;
      ++swaps;
    }
  EXPECT_EQ(swaps, 112);
}

TEST_F(BundleCorruption, StaleAndForeignBundles) {
  // The same task of an earlier plan, another task of this one: both are whole, under another key.
  for (std::uint64_t key = 0; key < 200; ++key)
    if (key != 42) {
      EXPECT_TRUE(detected(bundle, bundle.size(), key, content));
    }
  // The directory of one and the chunks of another run of equal shape.
  const Content other = content_of(2);
  const Bytes stale = bundle_of(other, 42);
  const std::size_t n = std::min(stale.size(), bundle.size());
  Random random{3};
  for (int trial = 0; trial < 100; ++trial) {
    Bytes mixed = bundle;
    const std::size_t at = 300 + random.below(n - 300), length = 1 + random.below(n - at);
    std::copy_n(stale.begin() + static_cast<std::ptrdiff_t>(at), length,
                mixed.begin() + static_cast<std::ptrdiff_t>(at));
    if (mixed == bundle) continue;
    EXPECT_TRUE(detected(mixed, mixed.size(), 42, content));
  }
}

TEST_F(BundleCorruption, NoiseIsNoBundle) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Random random{seed};
    Bytes noise = random_bytes(random.below(400), seed);
    if (noise.size() >= 32 && seed % 2 == 0) {
      std::memcpy(noise.data(), "PVXBNDL1", 8);
      const std::uint64_t length = noise.size();
      std::memcpy(noise.data() + 8, &length, 8);
    }
    EXPECT_TRUE(detected(noise, noise.size(), 42, content));
  }
}

TEST_F(BundleCorruption, SaysWhichPartAndBox) {
  Bytes bad = bundle;
  bad[bundle.size() - 3200] ^= std::byte{1};  // in or before the blob, which is last
  const auto error = error_of([&] { open_bundle(bad, bad.size(), 42).verify(); });
  ASSERT_TRUE(error);
  const std::string text = error->what();
  EXPECT_NE(text.find("the result of step 1 task 2, part "), std::string::npos) << text;
  Bytes first = bundle;
  const BundleReader reader = open_bundle(bundle, bundle.size(), 42);
  std::uint64_t stored = 0;
  for (const PartInfo& part : reader.parts()) stored += part.stored_bytes;
  first[bundle.size() - stored] ^= std::byte{1};  // the first chunk of the image
  Array image{DType::u8, box, domain, 2};
  const auto second = error_of([&] { open_bundle(first, first.size(), 42).read_image(0, image, box); });
  ASSERT_TRUE(second);
  EXPECT_NE(std::string{second->what()}.find("part 0, box -3:5,0:8,5:13"), std::string::npos)
      << second->what();
}

TEST_F(BundleCorruption, UntouchedPartsStayReadable) {
  Bytes bad = bundle;
  bad[bundle.size() - 1] ^= std::byte{1};  // the blob
  const BundleReader reader = open_bundle(bad, bad.size(), 42);
  Array image{DType::u8, box, domain, 2};
  reader.read_image(0, image, box);
  EXPECT_TRUE(std::ranges::equal(image.bytes(), content.image.bytes()));
  EXPECT_THROW((void)reader.blob(4), CorruptObject);
}

}  // namespace
}  // namespace petavox::storage_test::corruption
