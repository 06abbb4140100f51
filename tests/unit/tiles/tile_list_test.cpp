#include "petavox/io/tile_list.hpp"

#include "petavox/io/image_stack.hpp"
#include "petavox/io/tile_list_text.hpp"
#include "petavox/io/tile_volumes.hpp"

#include "unit/volumes/scratch.hpp"

namespace petavox {
namespace {

using test::error_of;

TEST(TileListText, ReadsCsvInAnyOrderOfColumns) {
  const auto list = detail::parse_tile_csv(
      "# voxel_size_nm: 50, 4, 8\n# margin: 7\n# a "
      "remark\ny,x,section,file,beam\n1.5,-2,3,\"a,b.png\",4\r\n\n2,3,1,c.png,\n",
      "t.csv");
  ASSERT_EQ(list.tiles.size(), 2U);
  EXPECT_EQ(list.tiles[0].name, "a,b.png");
  EXPECT_EQ(list.tiles[0].section, 3);
  EXPECT_EQ(list.tiles[0].y, 1.5);
  EXPECT_EQ(list.tiles[0].x, -2);
  EXPECT_EQ(list.tiles[0].beam, 4);
  EXPECT_EQ(list.tiles[1].beam, -1);
  EXPECT_EQ(list.margin, 7);
  EXPECT_EQ(list.voxel_size_nm, (VoxelSizeNm{50, 4, 8}));
  EXPECT_TRUE(list.problems.empty());
}

TEST(TileListText, LeavesOutLinesThatAreNoTiles) {
  const auto list = detail::parse_tile_csv(
      "file,section,x,y,thickness\na,1,0,0,1\nb,1.5,0,0,1\nc,1,nan,0,1\nd,1,1e300,0,1\ne,1,0,0,-1\n,1,0,0,"
      "1\n",
      "t.csv");
  EXPECT_EQ(list.tiles.size(), 1U);
  EXPECT_EQ(list.problems.size(), 5U);
}

TEST(TileListText, RefusesWhatIsNoList) {
  EXPECT_EQ(error_of([] { detail::parse_tile_csv("file,x,y\na,1,2\n", "t.csv"); })->code(),
            ErrorCode::config);
  EXPECT_EQ(error_of([] { detail::parse_tile_csv("# margin: -1\n", "t.csv"); })->code(), ErrorCode::config);
  EXPECT_EQ(error_of([] { detail::parse_tile_json("{\"tiles\": 3}", "t.json"); })->code(), ErrorCode::config);
  EXPECT_EQ(error_of([] { detail::parse_tile_json("[[[[", "t.json"); })->code(), ErrorCode::config);
}

TEST(TileListText, ReadsJson) {
  const auto list = detail::parse_tile_json(
      R"({"voxel_size_nm":[40,4,4],"margin":5,"tiles":[{"file":"a.png","section":2,"x":1,"y":2.5,"thickness":2},
          {"file":3,"section":2,"x":1,"y":2},{"file":"b","section":"2","x":1,"y":2},7]})",
      "t.json");
  ASSERT_EQ(list.tiles.size(), 1U);
  EXPECT_EQ(list.tiles[0].thickness, 2);
  EXPECT_EQ(list.problems.size(), 3U);
  EXPECT_EQ(list.margin, 5);
}

class TileFiles : public ::testing::Test {
 protected:
  /// A tile of one grey value.
  void tile(const std::string& name, Index height, Index width, std::uint8_t value) {
    const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height * width), value);
    write_png(scratch / name, height, width, 1, pixels);
  }
  void list(const std::string& text) { test::write_bytes(scratch / "t.csv", {text.begin(), text.end()}); }
  TileList read() { return read_tile_list(scratch / "t.csv"); }
  test::Scratch scratch;
};

TEST_F(TileFiles, LaysSectionsWithGapsAndThickness) {
  for (const char* name : {"a.png", "b.png", "c.png"}) tile(name, 3, 5, 9);
  list("# margin: 2\nfile,section,x,y,thickness\nb.png,14,10,-3.5,1\na.png,10,0,0,2\nc.png,12,1,1,1\n");
  const TileList tiles = read();
  ASSERT_EQ(tiles.tiles.size(), 3U);
  EXPECT_EQ(tiles.tiles[0].name, "a.png");
  // Section 10 takes two layers, 11 and 13 are missing.
  EXPECT_EQ(tiles.tiles[0].z, 0);
  EXPECT_EQ(tiles.tiles[1].z, 3);
  EXPECT_EQ(tiles.tiles[2].z, 5);
  EXPECT_EQ(tiles.num_layers, 6);
  EXPECT_EQ(tiles.problems.size(), 2U);
  EXPECT_EQ(tiles.origin_y, -6);
  EXPECT_EQ(tiles.canvas, (Extent{6, 12, 19}));
}

TEST_F(TileFiles, OneSetIsThreeVolumes) {
  tile("a.png", 3, 4, 10);
  tile("b.png", 2, 5, 20);
  list("# margin: 1\nfile,section,x,y\na.png,1,0,0\nb.png,1,3,0.4\na.png,2,0,0\n");
  const auto set = std::make_shared<const TileSet>(read());
  const auto tiles = TileSet::volume(set, "tiles");
  EXPECT_EQ(tiles->domain(), (Box{{0, 0, 0}, {2, 6, 5}}));
  const Array all = tiles->read_box(tiles->domain());
  const auto pixel = all.view<std::uint8_t>();
  EXPECT_EQ((pixel[{0, 2, 3}]), 10);
  EXPECT_EQ((pixel[{0, 2, 4}]), 0);
  EXPECT_EQ((pixel[{0, 3, 4}]), 20);
  EXPECT_EQ((pixel[{0, 5, 0}]), 0);
  EXPECT_EQ((pixel[{1, 3, 0}]), 0);  // the second section has one tile
  const auto fields = TileSet::volume(set, "list");
  const Array numbers = fields->read_box(fields->domain());
  const auto field = numbers.view<std::int32_t>();
  EXPECT_EQ((field.at(static_cast<int>(TileField::y), {0, 1, 0})), 1434);  // 1.4 pixels
  EXPECT_EQ((field.at(static_cast<int>(TileField::width), {0, 1, 0})), 5);
  EXPECT_EQ((field.at(static_cast<int>(TileField::present), {1, 1, 0})), 0);
  const auto mosaic = TileSet::volume(set, "mosaic");
  const Array canvas = mosaic->read_box(mosaic->domain());
  const auto seen = canvas.view<std::uint8_t>();
  EXPECT_EQ((seen[{0, 1, 4}]), 10);  // the earlier tile is on top
  EXPECT_EQ((seen[{0, 1, 5}]), 20);
  EXPECT_EQ((seen[{0, 0, 0}]), 0);
  EXPECT_EQ(error_of([&] { TileSet::volume(set, "other"); })->code(), ErrorCode::config);
}

TEST_F(TileFiles, DamagedTilesAreBlankAndDepthsAreMixed) {
  tile("a.png", 40, 40, 10);
  auto bytes = test::file_bytes(scratch / "a.png");
  bytes.resize(bytes.size() - 20);
  test::write_bytes(scratch / "cut.png", bytes);
  Array deep{DType::u16, Box{{0, 0, 0}, {1, 4, 4}}};
  deep.view<std::uint16_t>()[{0, 1, 1}] = 65000;
  write_image_stack(MemoryVolume{std::move(deep)}, Box{{0, 0, 0}, {1, 4, 4}}, scratch.path(), "deep");
  list("file,section,x,y\na.png,1,0,0\ncut.png,1,50,0\ndeep0.png,1,100,0\n");
  const auto set = std::make_shared<const TileSet>(read());
  const auto tiles = TileSet::volume(set, "tiles");
  ASSERT_EQ(tiles->dtype(), DType::u16);
  const Array all = tiles->read_box(tiles->domain());
  const auto pixel = all.view<std::uint16_t>();
  EXPECT_EQ((pixel[{0, 0, 0}]), 2570);
  EXPECT_EQ((pixel[{0, 40, 0}]), 0);
  EXPECT_EQ((pixel[{0, 81, 1}]), 65000);
}

TEST_F(TileFiles, NothingUsableIsAnError) {
  list("file,section,x,y\nnone.png,1,0,0\n/etc/hostname,1,0,0\n");
  const auto error = error_of([&] { read(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::config);
  EXPECT_NE(std::string{error->what()}.find("none.png"), std::string::npos);
  EXPECT_NE(std::string{error->what()}.find("outside the directory"), std::string::npos);
}

}  // namespace
}  // namespace petavox
