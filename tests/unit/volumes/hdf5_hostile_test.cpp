// Files that must be refused, with a clear text, and never crash, hang or read a byte outside.

#include "petavox/io/hdf5_volume.hpp"

#include "python_files.hpp"

#include <random>

namespace petavox::test {
namespace {

class Hdf5HostileTest : public PythonFiles {
 protected:
  void SetUp() override { make("hostile"); }
  void open(const std::string& name, const std::string& dataset) const {
    open_hdf5_volume(file(name), dataset);
  }
  void read(const std::string& name, const std::string& dataset = "data") const {
    const auto volume = open_hdf5_volume(file(name), dataset);
    volume->read_box(volume->domain());
  }
};

TEST_F(Hdf5HostileTest, refuses_external_links) {
  EXPECT_ERROR(open("external_link.h5", "data"), ErrorCode::io, "it is an external link");
  EXPECT_ERROR(open("external_link.h5", "group/data"), ErrorCode::io, "it is an external link");
  EXPECT_ERROR(open("external_link.h5", "soft"), ErrorCode::io, "it is an external link");
  EXPECT_ERROR(open("external_link.h5", "loop"), ErrorCode::io, "there is no dataset /loop");
  EXPECT_ERROR(open("external_link.h5", "dangling"), ErrorCode::io, "did you mean /honest?");
  read("external_link.h5", "honest");
  EXPECT_EQ(list_hdf5_datasets(file("external_link.h5")),
            (std::vector<std::string>{"/honest (23x31x37 uint8)"}));
}

TEST_F(Hdf5HostileTest, refuses_external_storage) {
  EXPECT_ERROR(open("external_storage.h5", "data"), ErrorCode::io, "external storage");
}

TEST_F(Hdf5HostileTest, refuses_what_is_no_regular_file) {
  EXPECT_ERROR(open("pipe.h5", "data"), ErrorCode::io, "not a regular file");
  EXPECT_ERROR(open("inside", "data"), ErrorCode::io, "not a regular file");
  EXPECT_ERROR(open("nowhere.h5", "data"), ErrorCode::io, "No such file or directory");
  EXPECT_ERROR(open_hdf5_volume("/dev/zero", "data"), ErrorCode::io, "not a regular file");
  EXPECT_ERROR(open("raw.bin", "data"), ErrorCode::io, "as HDF5");
  EXPECT_FALSE(is_hdf5_file(file("pipe.h5")));
}

TEST_F(Hdf5HostileTest, virtual_datasets_stay_in_their_directory) {
  EXPECT_ERROR(read("inside/virtual_absolute.h5"), ErrorCode::io, "may lie outside the directory");
  EXPECT_ERROR(read("inside/virtual_up.h5"), ErrorCode::io, "may lie outside the directory");
  EXPECT_ERROR(read("inside/virtual_symlink.h5"), ErrorCode::io, "link.h5");
  EXPECT_ERROR(read("inside/virtual_fifo.h5"), ErrorCode::io, "pipe.h5");
  EXPECT_ERROR(read("inside/virtual_missing.h5"), ErrorCode::io, "nothing.h5");
  EXPECT_ERROR(read("inside/virtual_linked.h5"), ErrorCode::io, "external link");
  EXPECT_ERROR(read("inside/virtual_other_shape.h5"), ErrorCode::io, "another type or shape");
  EXPECT_ERROR(read("inside/virtual_self.h5"), ErrorCode::io, "is virtual itself");
  EXPECT_ERROR(read("inside/virtual_strided.h5"), ErrorCode::io, "not a box");
  EXPECT_ERROR(read("inside/virtual_growing.h5"), ErrorCode::io, "not a box of fixed size");
  EXPECT_ERROR(read("inside/virtual_hole.h5"), ErrorCode::io, "no source holds all of it");
  // The part that has a source can be read.
  const auto volume = open_hdf5_volume(file("inside/virtual_hole.h5"), "data");
  const Array part = volume->read_box({{0, 0, 0}, {10, 31, 37}});
  const Coord last{9, 30, 36};
  EXPECT_EQ(part.view<std::uint8_t>()[last], pattern(0, last));
}

TEST_F(Hdf5HostileTest, refuses_shapes_that_cannot_be) {
  EXPECT_ERROR(open("shapes.h5", "scalar"), ErrorCode::config, "has 0 axes");
  EXPECT_ERROR(open("shapes.h5", "flat"), ErrorCode::config, "has 2 axes");
  EXPECT_ERROR(open("shapes.h5", "five"), ErrorCode::config, "has 5 axes");
  EXPECT_ERROR(open("shapes.h5", "empty"), ErrorCode::config, "an axis of length 0");
  EXPECT_ERROR(open("shapes.h5", "huge"), ErrorCode::resource, "overflow");
  EXPECT_ERROR(open("shapes.h5", "channels"), ErrorCode::resource, "131072 channels");
  EXPECT_ERROR(open("shapes.h5", "chunk"), ErrorCode::resource, "chunks of 2147483648 bytes");
  // Large but sound: a small box costs little.
  const auto large = open_hdf5_volume(file("shapes.h5"), "large");
  EXPECT_EQ(large->domain().shape(), Extent::cube(Index{1} << 20));
  const Array corner = large->read_box(Box::from({1000000, 7, 0}, {2, 2, 2}));
  for (const std::uint8_t v : corner.view<std::uint8_t>().channel()) EXPECT_EQ(v, 3);
  EXPECT_ERROR(large->read_box(large->domain()), ErrorCode::resource, "out of memory");
}

TEST_F(Hdf5HostileTest, refuses_types_that_are_no_voxels) {
  for (const char* name : {"complex", "records", "text", "ragged", "long_double"}) {
    SCOPED_TRACE(name);
    EXPECT_ERROR(open("types.h5", name), ErrorCode::config, "voxels are integers");
  }
  EXPECT_ERROR(open("types.h5", "lzf"), ErrorCode::io, "no such filter");
}

TEST_F(Hdf5HostileTest, names_what_is_there_instead) {
  EXPECT_ERROR(open("types.h5", "volumes/rwa"), ErrorCode::io, "did you mean /volumes/raw?");
  EXPECT_ERROR(open("types.h5", "labels"), ErrorCode::io, "did you mean /volumes/labels?");
  EXPECT_ERROR(open("types.h5", "volumes"), ErrorCode::io, "/volumes/labels (23x31x37 uint64)");
  EXPECT_ERROR(open("types.h5", ""), ErrorCode::io, "there is no dataset / in");
  EXPECT_ERROR(open("types.h5", std::string{"a\0b", 3}), ErrorCode::config, "NUL");
}

TEST_F(Hdf5HostileTest, refuses_forged_shards) {
  EXPECT_ERROR(open("forged.h5", "newer"), ErrorCode::io, "use a newer petavox");
  EXPECT_ERROR(open("forged.h5", "text_format"), ErrorCode::io, "petavox_format is missing or malformed");
  EXPECT_ERROR(open("forged.h5", "no_codec"), ErrorCode::io, "petavox_codec is missing or malformed");
  EXPECT_ERROR(open("forged.h5", "bad_codec"), ErrorCode::io, "its codec is unknown");
  EXPECT_ERROR(open("forged.h5", "no_shards"), ErrorCode::io, "its shards cannot be");
  EXPECT_ERROR(open("forged.h5", "far"), ErrorCode::io, "its domain is out of range");
  EXPECT_ERROR(open("forged.h5", "other_place"), ErrorCode::io, "its shape is not that of its place");
  EXPECT_ERROR(open("forged.h5", "no_such_shard"), ErrorCode::io, "its number is not in its volume");
  EXPECT_ERROR(read("forged.h5", "no_table"), ErrorCode::io, "table of checksums");
}

// Reads all that can be read of a damaged file. Whatever happens must be an Error or a result.
void try_to_read(const std::filesystem::path& damaged) {
  try {
    static_cast<void>(list_hdf5_datasets(damaged));
    const auto volume = open_hdf5_volume(damaged, "data");
    if (volume->domain().voxels() < (1 << 20)) volume->read_box(volume->domain());
  } catch (const Error& error) {
    EXPECT_TRUE(well_formed(error.what())) << error.what();
  }
}

TEST_F(Hdf5HostileTest, survives_truncation_anywhere) {
  const Scratch scratch;
  for (const char* name : {"small.h5", "small_latest.h5"}) {
    const auto bytes = file_bytes(file(name));
    for (std::size_t size = 0; size < bytes.size(); size += 64) {
      write_bytes(scratch / "cut.h5", {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
      const auto error = error_of([&] {
        const auto volume = open_hdf5_volume(scratch / "cut.h5", "data");
        volume->read_box(volume->domain());
      });
      ASSERT_TRUE(error) << name << " cut to " << size << " of " << bytes.size();
      EXPECT_EQ(error->code(), ErrorCode::io) << error->what();
      EXPECT_TRUE(well_formed(error->what())) << error->what();
    }
  }
}

TEST_F(Hdf5HostileTest, damaged_chunks_are_errors) {
  // Behind the metadata lie the chunks of this file: zlib notices what is wrong with them.
  const Scratch scratch;
  auto bytes = file_bytes(file("small_latest.h5"));
  for (std::size_t i = bytes.size() - 40; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(bytes[i] ^ 0x55);
  write_bytes(scratch / "flipped.h5", bytes);
  const auto error = error_of([&] {
    const auto volume = open_hdf5_volume(scratch / "flipped.h5", "data");
    volume->read_box(volume->domain());
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::io) << error->what();
}

TEST_F(Hdf5HostileTest, chunks_that_hold_less_than_they_should_are_errors) {
  EXPECT_ERROR(read("short_chunks.h5"), ErrorCode::io, "its bytes are damaged");
  EXPECT_ERROR(read("short_chunks.h5", "sums"), ErrorCode::io, "its bytes are damaged");
}

TEST_F(Hdf5HostileTest, survives_flipped_bytes) {
  const Scratch scratch;
  std::mt19937 random{7};
  // Not of virtual datasets: a damaged list of boxes can keep HDF5 1.10 busy for ever
  // (docs/formats_volumes.md).
  for (const char* name : {"small.h5", "small_latest.h5"}) {
    const auto bytes = file_bytes(file(name));
    std::uniform_int_distribution<std::size_t> where{0, bytes.size() - 1};
    std::uniform_int_distribution<int> value{0, 255};
    for (int i = 0; i < 150; ++i) {
      auto flipped = bytes;
      flipped[where(random)] = static_cast<char>(value(random));
      write_bytes(scratch / "flipped.h5", flipped);
      try_to_read(scratch / "flipped.h5");
    }
  }
}

}  // namespace
}  // namespace petavox::test
