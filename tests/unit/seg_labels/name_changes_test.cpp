#include "petavox/reduce/name_changes.hpp"

#include "petavox/testing/random_inputs.hpp"

#include <map>
#include <set>

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

TEST(NameChanges, OfManyStepsAreWhatFollowingEachNameGives) {
  testing::Random random{6};
  // Objects and the names that they have in the state; each step joins some objects and settles some.
  std::map<Name, Name> name_in_state;
  std::map<Name, NameAssignment> fate;
  for (std::size_t i = 0; i < 2000; ++i) {
    const Name name = i == 0 ? ~Name{0} : 1 + random.below(1000000);
    name_in_state[name] = name;
  }
  NameChanges all;
  std::set<Name> state;
  for (const auto& [name, same] : name_in_state) state.insert(same);
  for (int k = 0; k < 12; ++k) {
    std::map<Name, Name> renamed, settled;
    const std::vector<Name> names{state.begin(), state.end()};
    for (std::size_t i = 1; i < names.size(); ++i) {
      const std::uint64_t what = random.below(8);
      if (what == 0 && !renamed.contains(names[i - 1]) && !settled.contains(names[i - 1]))
        renamed[names[i]] = names[i - 1];
      else if (what == 1)
        settled[names[i]] = random.below(3) == 0 ? 0 : names[i];
    }
    for (auto& [name, now] : name_in_state) {
      if (fate.contains(name)) continue;
      if (const auto r = renamed.find(now); r != renamed.end())
        now = r->second;
      else if (const auto s = settled.find(now); s != settled.end())
        fate[name] = {name, s->second, 1};
    }
    NameChanges step;
    // Any order of saying is allowed.
    for (const auto& [from, to] : std::views::reverse(renamed)) step.rename(from, to);
    for (const auto& [name, value] : settled) step.settle(name, value);
    all.then(std::move(step));
    for (const auto& [name, to] : renamed) state.erase(name);
    for (const auto& [name, to] : settled) state.erase(name);
  }
  Assignments expected;
  for (const auto& [name, now] : name_in_state) {
    const auto final_value = fate.find(name);
    if (final_value == fate.end())
      expected.push_back({name, now, 0});
    else if (final_value->second.to != name)
      expected.push_back(final_value->second);
  }
  EXPECT_EQ(all.assignments(std::vector<Name>{state.begin(), state.end()}), expected);
}

}  // namespace
}  // namespace petavox
