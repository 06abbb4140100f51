#include "petavox/io/finished_tasks.hpp"

#include "storage_fixture.hpp"

#include <set>

namespace petavox::storage_test {
namespace {

TEST(FinishedTasks, BehavesAsASet) {
  const std::vector<std::int64_t> sizes{1, 0, 64, 65, 1000};
  FinishedTasks tasks{sizes};
  std::set<TaskId> model;
  Random random{1};
  for (int i = 0; i < 20000; ++i) {
    const TaskId task{static_cast<std::int64_t>(random.below(5)),
                      static_cast<std::int64_t>(random.below(1000))};
    if (!tasks.known(task)) {
      EXPECT_GE(task.index, sizes[static_cast<std::size_t>(task.step)]);
      EXPECT_FALSE(tasks.contains(task));
      continue;
    }
    if (random.below(3) == 0)
      EXPECT_EQ(tasks.erase(task), model.erase(task) == 1);
    else
      EXPECT_EQ(tasks.insert(task), model.insert(task).second);
    EXPECT_EQ(tasks.contains(task), model.contains(task));
  }
  EXPECT_EQ(tasks.total(), static_cast<std::int64_t>(model.size()));
  for (std::int64_t step = 0; step < 5; ++step)
    EXPECT_EQ(tasks.count(step),
              std::count_if(model.begin(), model.end(), [&](TaskId t) { return t.step == step; }));
}

TEST(FinishedTasks, ForeignTasksAreUnknown) {
  FinishedTasks tasks{{10}};
  for (const TaskId task :
       {TaskId{-1, 0}, TaskId{0, -1}, TaskId{0, 10}, TaskId{1, 0}, TaskId{INT64_MAX, INT64_MAX}}) {
    EXPECT_FALSE(tasks.known(task));
    EXPECT_FALSE(tasks.contains(task));
    EXPECT_THROW(tasks.insert(task), Error);
  }
}

}  // namespace
}  // namespace petavox::storage_test
