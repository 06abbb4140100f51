#include "petavox/io/result_index.hpp"

#include "storage_fixture.hpp"

#include <map>

namespace petavox::storage_test {
namespace {

using ResultIndexTest = StorageTest;

IndexedResult result_of(std::uint64_t n) {
  return {{1, 2, n, n * 3 + 1, mix64(n)}, static_cast<std::uint32_t>(n % 2)};
}

TEST_F(ResultIndexTest, BehavesAsAMapWithAnyBuffer) {
  for (const std::size_t buffer : {std::size_t{0}, std::size_t{50000}, std::size_t{4} << 20}) {
    const std::vector<std::int64_t> sizes{10, 0, 5000, 20000};
    ResultIndex index{root, 1, sizes, buffer};
    std::map<TaskId, IndexedResult> model;
    Random random{buffer};
    for (int i = 0; i < 20000; ++i) {
      const std::int64_t step = random.below(8) == 0 ? 0 : 2 + static_cast<std::int64_t>(random.below(2));
      const TaskId task{step, static_cast<std::int64_t>(random.below(
                                  static_cast<std::uint64_t>(sizes[static_cast<std::size_t>(step)])))};
      switch (random.below(4)) {
        case 0:
          index.erase(task);
          model.erase(task);
          break;
        case 1: {
          const auto found = model.find(task);
          ASSERT_EQ(index.get(task), found == model.end() ? std::nullopt : std::optional{found->second});
          break;
        }
        default:
          index.put(task, model[task] = result_of(random.below(1000000)));
      }
    }
    index.flush();
    for (std::int64_t i = 0; i < 5000; ++i) {
      const auto found = model.find({2, i});
      ASSERT_EQ(index.get({2, i}), found == model.end() ? std::nullopt : std::optional{found->second});
    }
  }
  EXPECT_TRUE(root.list("index").empty()) << "deleted with the launch";
}

TEST_F(ResultIndexTest, DamagedAndExchangedRecordsReadAsAbsent) {
  ResultIndex index{root, 1, {2000}, 0};
  for (std::int64_t i = 0; i < 2000; ++i) index.put({0, i}, result_of(static_cast<std::uint64_t>(i)));
  index.flush();
  File file = root.open_or_create("index/1");
  Bytes one(40), other(40);
  file.read_exact_at(one, 10 * 40);
  file.read_exact_at(other, 11 * 40);
  file.write_all_at(other, 10 * 40);
  file.write_all_at(one, 11 * 40);
  for (std::uint64_t byte = 0; byte < 40; ++byte) {
    file.read_exact_at(one, (20 + byte) * 40);
    one[byte] ^= std::byte{4};
    file.write_all_at(one, (20 + byte) * 40);
  }
  file.write_all_at(Bytes(40), 70 * 40);
  (void)index.get({0, 1999});  // the one page in memory is another
  for (std::int64_t i = 0; i < 100; ++i) {
    const bool damaged = i == 10 || i == 11 || (i >= 20 && i < 60) || i == 70;
    EXPECT_EQ(index.get({0, i}).has_value(), !damaged) << i;
  }
}

TEST_F(ResultIndexTest, OlderFilesGoAndYoungerStay) {
  root.make_directories("index");
  root.publish_file("index/1", bytes_of("x"));
  root.publish_file("index/9", bytes_of("x"));
  ResultIndex index{root, 3, {10}};
  EXPECT_EQ(root.list("index"), (std::vector<std::string>{"3", "9"}));
}

TEST_F(ResultIndexTest, LargeStepsTakeNoRoom) {
  ResultIndex index{root, 1, {1LL << 36, 1LL << 36}};
  for (std::int64_t i = 0; i < 100; ++i) index.put({1, i << 29}, result_of(static_cast<std::uint64_t>(i)));
  index.flush();
  for (std::int64_t i = 0; i < 100; ++i)
    EXPECT_EQ(index.get({1, i << 29}), result_of(static_cast<std::uint64_t>(i)));
  EXPECT_FALSE(index.get({0, 77}));
  EXPECT_THROW((void)index.get({2, 0}), Error);
  EXPECT_THROW((void)index.get({0, -1}), Error);
  EXPECT_THROW((ResultIndex{root, 2, {INT64_MAX, 1}}), Error);
}

}  // namespace
}  // namespace petavox::storage_test
