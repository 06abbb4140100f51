// Datasets as other programs write them.

#include "petavox/io/hdf5_volume.hpp"

#include "python_files.hpp"

#include <thread>

namespace petavox::test {
namespace {

constexpr Extent shape{23, 31, 37};

class Hdf5VolumeTest : public PythonFiles {
 protected:
  void SetUp() override { make("good"); }
};

std::string wrong_voxel(const Volume& volume, const Box& box) {
  const Array found = volume.read_box(box);
  Array expected{volume.dtype(), box, volume.domain(), volume.channels()};
  fill_pattern(expected);
  return first_difference(found, expected);
}

TEST_F(Hdf5VolumeTest, reads_every_kind_of_dataset) {
  std::ifstream list{file("list.txt")};
  std::string name, dataset, dtype;
  int channels = 0, num_read = 0;
  while (list >> name >> dataset >> dtype >> channels) {
    SCOPED_TRACE(name + ":" + dataset);
    const auto volume = open_hdf5_volume(file(name), dataset);
    ASSERT_EQ(volume->domain(), Box::from({}, shape));
    EXPECT_EQ(name_of(volume->dtype()), dtype);
    ASSERT_EQ(volume->channels(), channels);
    EXPECT_EQ(wrong_voxel(*volume, volume->domain()), "");
    std::mt19937 random{1};
    for (int i = 0; i < 10; ++i) EXPECT_EQ(wrong_voxel(*volume, random_box(random, volume->domain())), "");
    ++num_read;
  }
  EXPECT_GE(num_read, 50);
}

TEST_F(Hdf5VolumeTest, reads_without_a_cache_and_from_many_threads) {
  for (const std::size_t cache : {std::size_t{0}, std::size_t{5000}, std::size_t{1} << 20})
    for (const char* name : {"gzip_u2.h5", "chunked.h5", "fletcher.h5", "virtual.h5"}) {
      SCOPED_TRACE(name);
      Hdf5Options options;
      options.cache_bytes = cache;
      const auto volume =
          open_hdf5_volume(file(name), std::string{name} == "virtual.h5" ? "all" : "volumes/raw", options);
      std::vector<std::string> wrong(4);
      std::vector<std::thread> threads;
      for (unsigned t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t] {
          std::mt19937 random{t};
          for (int i = 0; i < 20 && wrong[t].empty(); ++i)
            wrong[t] = wrong_voxel(*volume, random_box(random, volume->domain()));
        });
      for (auto& thread : threads) thread.join();
      for (const auto& text : wrong) EXPECT_EQ(text, "");
    }
}

TEST_F(Hdf5VolumeTest, describes_what_it_reads) {
  const auto all = open_hdf5_volume(file("shuffled_u4.h5"), "volumes/raw")->info();
  EXPECT_EQ(all.dataset, "/volumes/raw");
  EXPECT_EQ(all.stored_type, "uint32");
  EXPECT_EQ(all.layout, "chunked");
  EXPECT_EQ(all.chunk_shape, (Extent{8, 16, 10}));
  EXPECT_EQ(all.filters, (std::vector<std::string>{"shuffle", "gzip 9"}));
  EXPECT_EQ(all.voxel_size_source, "unknown");
  EXPECT_TRUE(all.notes.empty());

  const auto wide = open_hdf5_volume(file("float64.h5"), "volumes/raw")->info();
  EXPECT_EQ(wide.stored_type, "float64");
  EXPECT_EQ(wide.dtype, DType::f32);
  ASSERT_EQ(wide.notes.size(), 1U);
  EXPECT_NE(wide.notes[0].find("float64 is read as float32"), std::string::npos);
  EXPECT_EQ(open_hdf5_volume(file("big_u8.h5"), "volumes/raw")->info().stored_type, "uint64 big-endian");
  EXPECT_EQ(open_hdf5_volume(file("plain_i2.h5"), "volumes/raw")->info().layout, "contiguous");
  EXPECT_EQ(open_hdf5_volume(file("virtual.h5"), "all")->info().layout, "virtual");
}

TEST_F(Hdf5VolumeTest, finds_voxel_sizes) {
  const auto info = [&](const char* dataset, const Hdf5Options& options = {}) {
    return open_hdf5_volume(file("attributes.h5"), dataset, options)->info();
  };
  const auto cremi = info("cremi");
  EXPECT_EQ(cremi.voxel_size_nm, (VoxelSizeNm{40, 4, 4}));
  EXPECT_EQ(cremi.voxel_size_source, "resolution");
  EXPECT_EQ(cremi.offset_nm, (std::array<double, 3>{1480, 3644, 3644}));
  const auto ilastik = info("ilastik");
  EXPECT_NEAR(ilastik.voxel_size_nm[0], 40, 1e-4);
  EXPECT_NEAR(ilastik.voxel_size_nm[2], 5, 1e-4);
  EXPECT_EQ(ilastik.voxel_size_source, "element_size_um");
  EXPECT_EQ(info("integers").voxel_size_nm, (VoxelSizeNm{8, 8, 9}));
  const auto nonsense = info("nonsense");
  EXPECT_EQ(nonsense.voxel_size_nm, (VoxelSizeNm{1, 1, 1}));
  EXPECT_EQ(nonsense.notes.size(), 1U);
  EXPECT_EQ(info("short").voxel_size_source, "unknown");
  EXPECT_FALSE(info("short").offset_nm);
  Hdf5Options given;
  given.voxel_size_nm = VoxelSizeNm{30, 6, 6};
  EXPECT_EQ(info("cremi", given).voxel_size_nm, (VoxelSizeNm{30, 6, 6}));
  EXPECT_EQ(info("cremi", given).voxel_size_source, "given");
}

TEST_F(Hdf5VolumeTest, unwritten_voxels_are_the_fill_value) {
  const auto all_equal = [](const Array& array, std::int64_t value) {
    bool equal = true;
    visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
      for (const T v : array.view<T>().channel()) equal = equal && v == static_cast<T>(value);
    });
    return equal;
  };
  const Box domain = Box::from({}, shape);
  EXPECT_TRUE(all_equal(open_hdf5_volume(file("sparse.h5"), "never")->read_box(domain), 7));
  EXPECT_TRUE(all_equal(open_hdf5_volume(file("sparse.h5"), "contiguous")->read_box(domain), 9));
  const auto partly = open_hdf5_volume(file("sparse.h5"), "partly");
  EXPECT_EQ(wrong_voxel(*partly, {{0, 0, 0}, {8, 16, 10}}), "");
  EXPECT_TRUE(all_equal(partly->read_box({{8, 0, 0}, {23, 31, 37}}), -5));
}

TEST_F(Hdf5VolumeTest, reads_truth_values) {
  for (const char* dataset : {"mask", "plain"}) {
    const auto volume = open_hdf5_volume(file("bool.h5"), dataset);
    EXPECT_EQ(volume->info().stored_type, "bool");
    ASSERT_EQ(volume->dtype(), DType::u8);
    const Array array = volume->read_box(volume->domain());
    const auto view = array.view<std::uint8_t>();
    bool equal = true;
    array.box().for_each([&](Coord p) { equal = equal && view[p] == pattern(0, p) % 2; });
    EXPECT_TRUE(equal);
  }
}

TEST_F(Hdf5VolumeTest, refuses_wrong_arrays) {
  const auto volume = open_hdf5_volume(file("gzip_u2.h5"), "volumes/raw");
  Array wrong_type{DType::u8, Box::from({}, {2, 2, 2})};
  EXPECT_ERROR(volume->read(wrong_type), ErrorCode::contract, "uint16");
  Array outside{DType::u16, Box::from({20, 0, 0}, {4, 2, 2})};
  EXPECT_ERROR(volume->read(outside), ErrorCode::contract, "is not inside 0:23,0:31,0:37");
  Array empty{DType::u16, Box{}};
  volume->read(empty);
}

TEST_F(Hdf5VolumeTest, lists_datasets) {
  const auto lines = list_hdf5_datasets(file("soft.h5"));
  EXPECT_EQ(lines, (std::vector<std::string>{"/a/data (23x31x37 uint16)"}));
  EXPECT_EQ(list_hdf5_datasets(file("attributes.h5"), 2).size(), 2U);
  EXPECT_TRUE(is_hdf5_file(file("soft.h5")));
  EXPECT_TRUE(is_hdf5_file(file("user_block.h5")));
  EXPECT_FALSE(is_hdf5_file(file("list.txt")));
  EXPECT_FALSE(is_hdf5_file(file("parts")));
  EXPECT_FALSE(is_hdf5_file(file("absent")));
}

}  // namespace
}  // namespace petavox::test
