#include "petavox/io/file.hpp"

#include "storage_fixture.hpp"

#include <cerrno>

namespace petavox::storage_test {
namespace {

using FileTest = StorageTest;

TEST_F(FileTest, WritesAndReadsRanges) {
  File file = root.create_new("data");
  file.write_all(bytes_of("hello "));
  file.write_all(bytes_of("world"));
  file.write_all_at(bytes_of("W"), 6);
  EXPECT_EQ(file.size_bytes(), 11U);
  Bytes part(5);
  file.read_exact_at(part, 6);
  EXPECT_EQ(part, bytes_of("World"));
  Bytes more(10);
  EXPECT_EQ(file.read_at(more, 8), 3U);
  file.sync();
  file.sync_data();
  file.close();
  EXPECT_FALSE(file.is_open());
  file.close();  // closing twice is harmless
}

TEST_F(FileTest, NamesTheFileThatEndsEarly) {
  File file = root.create_new("short");
  file.write_all(bytes_of("abc"));
  Bytes part(4);
  const auto error = error_of([&] { file.read_exact_at(part, 1); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::io);
  EXPECT_NE(std::string{error->what()}.find("short ends at byte 3"), std::string::npos) << error->what();
  EXPECT_TRUE(well_worded(*error)) << error->what();
}

TEST_F(FileTest, MovesLeaveNothingBehind) {
  File first = root.create_new("one");
  const int descriptor = first.descriptor();
  File second{std::move(first)};
  EXPECT_FALSE(first.is_open());  // NOLINT: a moved-from File is closed by contract
  EXPECT_EQ(second.descriptor(), descriptor);
  File third = root.create_new("two");
  third = std::move(second);
  EXPECT_EQ(third.descriptor(), descriptor);
  EXPECT_EQ(third.path(), root.path() + "/one");
}

TEST(SystemError, SaysWhetherToTryAgain) {
  struct Case {
    int number;
    ErrorCode code;
    bool retryable;
  };
  for (const Case& c : {Case{ENOSPC, ErrorCode::resource, true}, Case{EDQUOT, ErrorCode::resource, true},
                        Case{EMFILE, ErrorCode::resource, true}, Case{EIO, ErrorCode::io, true},
                        Case{ESTALE, ErrorCode::io, true}, Case{EROFS, ErrorCode::io, false},
                        Case{EACCES, ErrorCode::io, false}, Case{ENOENT, ErrorCode::io, false},
                        Case{EEXIST, ErrorCode::io, false}, Case{ELOOP, ErrorCode::io, false},
                        Case{E2BIG, ErrorCode::io, false}}) {
    const Error error = system_error("write", "/some/where", c.number);
    EXPECT_EQ(error.code(), c.code) << error.what();
    EXPECT_EQ(error.retryable(), c.retryable) << error.what();
    EXPECT_TRUE(well_worded(error)) << error.what();
    EXPECT_NE(std::string{error.what()}.find("/some/where"), std::string::npos);
  }
}

TEST(SystemError, FullDiskText) {
  EXPECT_STREQ(
      system_error("write", "/out/packs/1.4.pack", ENOSPC).what(),
      "cannot write /out/packs/1.4.pack: No space left on device (there is no room for the result); free "
      "space or raise the quota, then run the same command again: it resumes");
}

}  // namespace
}  // namespace petavox::storage_test
