#include "petavox/reduce/name_changes.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using Assignments = std::vector<NameAssignment>;

TEST(NameChanges, ComposesRenamingsAndSettling) {
  NameChanges all;
  NameChanges first;
  first.rename(5, 2);
  first.rename(9, 7);
  all.then(std::move(first));
  NameChanges second;
  second.rename(7, 2);
  second.settle(11, 11);
  second.settle(12, 0);
  all.then(std::move(second));
  NameChanges third;
  third.settle(2, 2);
  all.then(std::move(third));
  EXPECT_EQ(all.assignments(std::vector<Name>{3, 20}),
            (Assignments{{3, 3, 0}, {5, 2, 1}, {7, 2, 1}, {9, 2, 1}, {12, 0, 1}, {20, 20, 0}}));
}

TEST(NameChanges, ListsOpenNamesAlsoIfOthersWereRenamedToThem) {
  NameChanges all;
  NameChanges step;
  step.rename(8, 4);
  all.then(std::move(step));
  EXPECT_EQ(all.assignments(std::vector<Name>{4}), (Assignments{{4, 4, 0}, {8, 4, 0}}));
}

TEST(NameChanges, RefusesTwoFatesOfOneName) {
  NameChanges all;
  NameChanges step;
  step.rename(8, 4);
  step.rename(8, 3);
  EXPECT_THROW(all.then(std::move(step)), Error);
}

}  // namespace
}  // namespace petavox
