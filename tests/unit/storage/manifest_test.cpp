#include "petavox/io/manifest.hpp"

#include "storage_fixture.hpp"

namespace petavox::storage_test {
namespace {

Manifest test_manifest() {
  Manifest m;
  m.provenance = {{"config", "a: 1\nb: \"x\""}, {"petavox", "0.1.0"}, {"note", "µm \\ \t"}};
  m.digest = {0xfedcba9876543210ULL, 1};
  ManifestVolume v;
  v.name = "segments";
  v.kind = "labels";
  v.dtype = DType::u64;
  v.domain = {{-5, 0, 3}, {10, 20, 30}};
  v.voxel_size_nm = {40, 4.5, 0.1};
  v.file = "segments.h5";
  v.dataset = "/segments";
  v.digest = {7, ~0ULL};
  v.shards = {{"volumes/segments/0.h5", {{-5, 0, 3}, {5, 20, 30}}, ~0ULL, {1, 2}},
              {"volumes/segments/1.h5", {{5, 0, 3}, {10, 20, 30}}, 12, {3, 4}}};
  ManifestVolume image = v;
  image.name = "raw";
  image.kind = "image";
  image.dtype = DType::f32;
  image.channels = 3;
  image.file.clear();
  image.shards.clear();
  m.volumes = {v, image};
  m.tables = {{"score", "tables/score.json", 17, 1234, {5, 6}, {7, 8}}};
  return m;
}

using ManifestTest = StorageTest;

TEST_F(ManifestTest, RoundTrips) {
  const Manifest m = test_manifest();
  write_manifest(root, m);
  const Manifest back = read_manifest(root);
  EXPECT_EQ(manifest_to_text(back), manifest_to_text(m));
  EXPECT_EQ(back.provenance, m.provenance);
  EXPECT_EQ(back.volumes[0].voxel_size_nm, m.volumes[0].voxel_size_nm);
  EXPECT_EQ(back.volumes[0].shards[0].size_bytes, ~0ULL);
  EXPECT_EQ(back.volumes[0].shards[1].box, m.volumes[0].shards[1].box);
  EXPECT_EQ(back.volumes[1].channels, 3);
  EXPECT_EQ(back.digest, m.digest);
  EXPECT_EQ(back.tables[0].num_rows, 17U);
  write_manifest(root, Manifest{});
  EXPECT_TRUE(read_manifest(root).volumes.empty());
}

TEST_F(ManifestTest, RefusesWhatIsNotAManifest) {
  const std::string good = manifest_to_text(test_manifest());
  struct Case {
    const char *from, *to, *names;
  };
  for (const Case& c :
       {Case{"petavox manifest", "other", "/format"},
        Case{"\"schema_version\": 1", "\"schema_version\": 2", "schema version 2"},
        Case{"\"schema_version\": 1", "\"schema_version\": \"1\"", "/schema_version"},
        Case{"\"labels\"", "\"stuff\"", "/volumes/0/kind"}, Case{"uint64", "uint65", "/volumes/0/dtype"},
        Case{"\"channels\": 1", "\"channels\": 0", "/volumes/0/channels"},
        Case{"\"channels\": 1", "\"channels\": -1", "/volumes/0/channels"},
        Case{"\"channels\": 1", "\"channels\": 99999999999999999999", "/volumes/0/channels"},
        Case{"-5:10,0:20,3:30", "-5:10,0:20", "/volumes/0/domain"},
        Case{"-5:10,0:20,3:30", "-5:10,0:20,3:9000000000000000000", "/volumes/0/domain"},
        Case{"40.0,", "0.0,", "voxel_size_nm"},
        Case{"volumes/segments/0.h5", "../../etc/passwd", "/volumes/0/shards/0/file"},
        Case{"volumes/segments/0.h5", "/etc/passwd", "/volumes/0/shards/0/file"},
        Case{"\"segments.h5\"", "\"../x\"", "/volumes/0/file"},
        Case{"-5:5,0:20,3:30", "-6:5,0:20,3:30", "/volumes/0/shards/0/box"},
        Case{"fedcba9876543210", "FEDCBA9876543210", "/digest"},
        Case{"fedcba9876543210", "fedcba987654321", "/digest"},
        Case{"\"num_rows\": 17", "\"num_rows\": 1.5", "/tables/0/num_rows"},
        Case{"\"tables\"", "\"tabels\"", "/tables"}}) {
    std::string bad = good;
    const auto at = bad.find(c.from);
    ASSERT_NE(at, std::string::npos) << c.from;
    bad.replace(at, std::string_view{c.from}.size(), c.to);
    const auto error = error_of([&] { (void)manifest_from_text(bad); });
    ASSERT_TRUE(error) << c.to;
    EXPECT_EQ(error->code(), ErrorCode::io);
    EXPECT_NE(std::string{error->what()}.find(c.names), std::string::npos)
        << c.names << ": " << error->what();
    EXPECT_TRUE(well_worded(*error)) << error->what();
  }
}

TEST_F(ManifestTest, SurvivesAnyBytes) {
  const std::string good = manifest_to_text(test_manifest());
  for (std::size_t n = 0; n + 2 < good.size(); n += 7)
    EXPECT_THROW((void)manifest_from_text(std::string_view{good}.substr(0, n)), Error) << n;
  Random random{1};
  for (int trial = 0; trial < 3000; ++trial) {
    std::string bad = good;
    bad[random.below(bad.size())] = static_cast<char>(random.below(256));
    (void)error_of([&] { (void)manifest_from_text(bad); });
  }
  EXPECT_THROW((void)manifest_from_text(std::string(100000, '[')), Error);
  EXPECT_THROW((void)manifest_from_text(std::string(100000, '[') + std::string(100000, ']')), Error);
  for (const char* text : {"", "null", "[]", "{}", "1", "\"x\"", "{\"format\": 1}"})
    EXPECT_THROW((void)manifest_from_text(text), Error) << text;
}

TEST_F(ManifestTest, NamesTheFile) {
  EXPECT_THROW((void)read_manifest(root), Error);
  root.publish_file("manifest.json", bytes_of("{"));
  const auto error = error_of([&] { (void)read_manifest(root); });
  ASSERT_TRUE(error);
  EXPECT_NE(std::string{error->what()}.find(root.path() + "/manifest.json"), std::string::npos)
      << error->what();
  const auto large = error_of([&] { (void)read_manifest(root, "manifest.json", 0); });
  ASSERT_TRUE(large);
  EXPECT_EQ(large->code(), ErrorCode::resource);
}

}  // namespace
}  // namespace petavox::storage_test
