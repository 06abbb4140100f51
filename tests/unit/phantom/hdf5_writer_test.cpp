// Several datasets in one file, written box by box, seen only when it is whole.

#include "petavox/io/hdf5_writer.hpp"

#include "petavox/geometry/tiling.hpp"
#include "petavox/io/hdf5_volume.hpp"
#include "petavox/volume/memory_volume.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace petavox {
namespace {

namespace fs = std::filesystem;

class Hdf5WriterTest : public ::testing::Test {
 protected:
  Hdf5WriterTest()
      : directory_{fs::temp_directory_path() / ("petavox-hdf5-writer-" + std::to_string(::getpid()))} {
    fs::remove_all(directory_);
    fs::create_directory(directory_);
  }
  ~Hdf5WriterTest() override { fs::remove_all(directory_); }
  fs::path file() const { return directory_ / "x.h5"; }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{directory_}, fs::directory_iterator{}));
  }

 private:
  fs::path directory_;
};

template <class T>
Array filled(DType type, const Box& box, const Box& domain) {
  Array array{type, box, domain};
  const auto view = array.view<T>();
  box.for_each([&](Coord p) { view[p] = static_cast<T>(domain.raster(p) * 7 + 1); });
  return array;
}

Hdf5DatasetSpec spec_of(const std::string& name, DType type, const std::string& codec) {
  Hdf5DatasetSpec spec;
  spec.dataset = name;
  spec.dtype = type;
  spec.shape = {10, 13, 17};
  spec.chunk_shape = {4, 8, 8};
  spec.codec = parse_hdf5_codec(codec, 1, "none");
  spec.voxel_size_nm = {40, 4, 4.5};
  return spec;
}

TEST_F(Hdf5WriterTest, WritesWhatIsReadBack) {
  const Box domain = Box::from({}, {10, 13, 17});
  for (const char* codec : {"gzip", "zstd", "none"}) {
    Hdf5Writer writer{file()};
    const int raw = writer.add(spec_of("/raw", DType::u8, codec));
    const int labels = writer.add(spec_of("/truth/labels", DType::u64, codec));
    const Tiling blocks{domain, {8, 8, 16}};
    for (Index i = blocks.count(); i-- > 0;) {
      writer.write(raw, filled<std::uint8_t>(DType::u8, blocks.core(i), domain));
      writer.write(labels, filled<std::uint64_t>(DType::u64, blocks.core(i), domain));
    }
    EXPECT_FALSE(fs::exists(file())) << "not before it is whole";
    writer.publish(false);
    const auto read = open_hdf5_volume(file(), "/raw");
    EXPECT_TRUE(std::ranges::equal(read->read_box(domain).bytes(),
                                   filled<std::uint8_t>(DType::u8, domain, domain).bytes()));
    EXPECT_EQ(read->voxel_size_nm(), (VoxelSizeNm{40, 4, 4.5}));
    EXPECT_TRUE(std::ranges::equal(open_hdf5_volume(file(), "/truth/labels")->read_box(domain).bytes(),
                                   filled<std::uint64_t>(DType::u64, domain, domain).bytes()));
    EXPECT_EQ(files(), 1U);
    fs::remove(file());
  }
}

TEST_F(Hdf5WriterTest, LeavesNothingBehindWhenGivenUp) {
  {
    Hdf5Writer writer{file()};
    writer.add(spec_of("/raw", DType::u8, "gzip"));
    EXPECT_EQ(files(), 1U);
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(Hdf5WriterTest, ReplacesOnlyWhenAsked) {
  for (const bool overwrite : {false, false, true}) {
    Hdf5Writer writer{file()};
    writer.add(spec_of("/raw", DType::u8, "gzip"));
    if (fs::exists(file()) && !overwrite)
      EXPECT_THROW(writer.publish(false), Error);
    else
      writer.publish(overwrite);
  }
  EXPECT_EQ(files(), 1U);
}

TEST_F(Hdf5WriterTest, RefusesBoxesThatCutChunks) {
  const Box domain = Box::from({}, {10, 13, 17});
  Hdf5Writer writer{file()};
  const int raw = writer.add(spec_of("/raw", DType::u8, "gzip"));
  const auto problem = [&](DType type, const Box& box) {
    try {
      writer.write(raw, Array{type, box, domain});
    } catch (const Error& error) {
      return std::string{error.what()};
    }
    return std::string{"none"};
  };
  EXPECT_EQ(problem(DType::u8, {{8, 8, 16}, {10, 13, 17}}), "none") << "the far corner is a whole chunk";
  EXPECT_THAT(problem(DType::u8, {{0, 0, 0}, {4, 8, 7}}), ::testing::HasSubstr("does not fill whole chunks"));
  EXPECT_THAT(problem(DType::u8, {{0, 0, 4}, {4, 8, 12}}),
              ::testing::HasSubstr("does not fill whole chunks"));
  EXPECT_THAT(problem(DType::u16, {{0, 0, 0}, {4, 8, 8}}), ::testing::HasSubstr("uint16"));
  EXPECT_THAT(problem(DType::u8, {{0, 0, 0}, {0, 8, 8}}), ::testing::HasSubstr("does not fill whole chunks"));
}

TEST_F(Hdf5WriterTest, RefusesImpossibleDatasets) {
  Hdf5Writer writer{file()};
  Hdf5DatasetSpec bad = spec_of("/raw", DType::u8, "gzip");
  bad.shape.y = 0;
  EXPECT_THROW(writer.add(bad), Error);
  EXPECT_THROW(writer.add(spec_of("raw", DType::u8, "gzip")), Error);
  EXPECT_THROW((Hdf5Writer{"/nonexistent/directory/x.h5"}), Error);
}

}  // namespace
}  // namespace petavox
