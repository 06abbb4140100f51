#include "petavox/base/task_id.hpp"

#include <unordered_set>

#include <gtest/gtest.h>

namespace petavox {

TEST(TaskId, OrdersByStepThenIndex) {
  EXPECT_LT((TaskId{1, 9}), (TaskId{2, 0}));
  EXPECT_LT((TaskId{1, 8}), (TaskId{1, 9}));
  EXPECT_EQ((TaskId{1, 9}), (TaskId{1, 9}));
  EXPECT_EQ(to_string(TaskId{3, 17}), "step 3 task 17");
}

TEST(TaskId, HashSpreads) {
  std::unordered_set<std::size_t> hashes;
  for (std::int64_t step = 0; step < 20; ++step)
    for (std::int64_t index = 0; index < 500; ++index) hashes.insert(std::hash<TaskId>{}({step, index}));
  EXPECT_EQ(hashes.size(), 10000U);
}

}  // namespace petavox
