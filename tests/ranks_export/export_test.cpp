// The collective export into one file, on 1 to 4 ranks: the same file content as the serial exporter's.

#include "petavox/export/mpi_exporter.hpp"
#include "petavox/io/hdf5_volume.hpp"

#include "ranks/world.hpp"
#include "scratch.hpp"

namespace petavox::test {
namespace {

using petavox::testing::world;

// One directory for all ranks, made by rank 0.
class ExportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // All ranks derive the same name; the barrier orders making, using and removing it.
    directory_ =
        std::filesystem::temp_directory_path() /
        ("petavox_export_" +
         std::string{std::getenv("PMIX_NAMESPACE") != nullptr ? std::getenv("PMIX_NAMESPACE") : "single"});
    if (world().rank() == 0) {
      std::filesystem::remove_all(directory_);
      std::filesystem::create_directories(directory_);
    }
    world().barrier();
  }
  void TearDown() override {
    world().barrier();
    if (world().rank() == 0) std::filesystem::remove_all(directory_);
    world().barrier();
  }
  std::filesystem::path file(const std::string& name) const { return directory_ / name; }
  const std::filesystem::path& directory() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

const Box domain{{-2, 3, 10}, {21, 40, 70}};

TEST_F(ExportTest, writes_the_whole_volume) {
  const auto exporter = make_mpi_exporter();
  int number = 0;
  for (const char* codec : {"none", "gzip", "zstd"})
    for (const int channels : {1, 2})
      for (const std::size_t buffer : {std::size_t{1}, std::size_t{40'000}, std::size_t{64} << 20}) {
        SCOPED_TRACE(std::string{codec} + " " + std::to_string(channels) + " " + std::to_string(buffer));
        const auto volume = pattern_volume(DType::u32, domain, channels);
        ExportTarget target;
        target.file = file(std::to_string(number++) + ".h5");
        target.dataset = "volumes/labels";
        target.chunk_shape = {8, 16, 16};
        target.codec = parse_hdf5_codec(codec, 1, "none");
        target.buffer_bytes = buffer;
        const ExportReport report = exporter->export_volume(volume, target);
        EXPECT_EQ(report.digest, digest_part(volume.array()));
        EXPECT_EQ(report.file_bytes, std::filesystem::file_size(target.file));
        const auto written = open_hdf5_volume(target.file, "volumes/labels");
        EXPECT_EQ(written->voxel_size_nm(), (VoxelSizeNm{40, 4, 4}));
        EXPECT_EQ(written->info().chunk_shape, (Extent{8, 16, 16}));
        EXPECT_EQ(written->info().offset_nm, (std::array<double, 3>{-80, 12, 40}));
        Array expected{DType::u32, written->domain(), channels};
        fill_pattern(expected);
        EXPECT_EQ(first_difference(written->read_box(written->domain()), expected), "");
        world().barrier();
        EXPECT_EQ(num_files(directory()), static_cast<std::size_t>(number));
      }
}

TEST_F(ExportTest, equals_the_serial_export) {
  for (const DType type : {DType::u8, DType::i16, DType::u64, DType::f32}) {
    const auto volume = pattern_volume(type, domain);
    ExportTarget target;
    target.chunk_shape = {16, 16, 32};
    target.file = file(std::string{"mpi_"} + name_of(type));
    const auto together = make_mpi_exporter()->export_volume(volume, target);
    target.file = file(std::string{"serial_"} + name_of(type) + std::to_string(world().rank()));
    const auto alone = make_serial_exporter()->export_volume(volume, target);
    EXPECT_EQ(together.digest, alone.digest);
    const auto a = open_hdf5_volume(file(std::string{"mpi_"} + name_of(type)), "data");
    const auto b = open_hdf5_volume(target.file, "data");
    EXPECT_EQ(first_difference(a->read_box(a->domain()), b->read_box(b->domain())), "");
    EXPECT_EQ(a->info().filters, b->info().filters);
  }
}

TEST_F(ExportTest, never_overwrites_unless_asked) {
  const auto volume = pattern_volume(DType::u8, domain);
  ExportTarget target;
  target.file = file("there.h5");
  if (world().rank() == 0) write_bytes(target.file, {'x'});
  world().barrier();
  EXPECT_ERROR(make_mpi_exporter()->export_volume(volume, target), ErrorCode::io, "exists");
  EXPECT_EQ(file_bytes(target.file), (std::vector<char>{'x'}));
  world().barrier();
  target.overwrite = true;
  make_mpi_exporter()->export_volume(volume, target);
  EXPECT_EQ(open_hdf5_volume(target.file, "data")->domain().shape(), domain.shape());
}

TEST_F(ExportTest, a_rank_that_cannot_read_ends_the_export_on_all) {
  class Broken final : public Volume {
   public:
    explicit Broken(bool broken) : broken_{broken} {}
    Box domain() const override { return test::domain; }
    DType dtype() const override { return DType::u8; }
    void read(Array& into) const override {
      // Not at once: the export is under way when it happens.
      if (broken_ && into.box().end.z > 10)
        throw Error{ErrorCode::io, "a chunk is damaged (test); run again"};
    }

   private:
    bool broken_;
  };
  ExportTarget target;
  target.file = file("broken.h5");
  target.chunk_shape = {4, 8, 8};
  target.buffer_bytes = 1;
  const bool broken = world().rank() == world().size() - 1;
  EXPECT_ERROR(make_mpi_exporter()->export_volume(Broken{broken}, target), ErrorCode::io,
               "a chunk is damaged");
  world().barrier();
  EXPECT_EQ(num_files(directory()), 0U);
}

TEST_F(ExportTest, refuses_different_targets_and_impossible_places) {
  const auto volume = pattern_volume(DType::u8, domain);
  ExportTarget target;
  target.file = file(world().size() > 1 ? std::to_string(world().rank()) : "absent/x.h5");
  EXPECT_ERROR(make_mpi_exporter()->export_volume(volume, target),
               world().size() > 1 ? ErrorCode::contract : ErrorCode::io,
               world().size() > 1 ? "different" : "absent");
  target.file = file("absent/x.h5");
  EXPECT_ERROR(make_mpi_exporter()->export_volume(volume, target), ErrorCode::io, "absent");
  target.file = file("x.h5");
  target.dataset = "a//b";
  EXPECT_ERROR(make_mpi_exporter()->export_volume(volume, target), ErrorCode::config,
               "cannot name a dataset");
  world().barrier();
  EXPECT_EQ(num_files(directory()), 0U);
}

}  // namespace
}  // namespace petavox::test
