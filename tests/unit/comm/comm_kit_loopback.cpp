#include "petavox/comm/loopback.hpp"

#include "unit/comm/comm_kit.hpp"

#include <tuple>

#include <gtest/gtest.h>

namespace petavox {
namespace {

class LoopbackKit : public ::testing::TestWithParam<int> {};

TEST_P(LoopbackKit, keeps_every_promise) {
  for (const auto& kit_case : testing::comm_kit()) {
    SCOPED_TRACE(kit_case.name);
    EXPECT_NO_THROW(run_loopback(GetParam(), kit_case.run).rethrow());
  }
}
INSTANTIATE_TEST_SUITE_P(Ranks, LoopbackKit, ::testing::Values(1, 2, 3, 5));

// The kit must be able to fail: each fault breaks a promise that it checks.
TEST(CommKit, sees_broken_promises) {
  LoopbackFaults duplicates, reorder;
  duplicates.duplicate = 0.01;
  reorder.delay = 0.05;
  for (const auto& faults : {duplicates, reorder}) {
    int failed = 0;
    for (const auto& kit_case : testing::comm_kit()) {
      if (kit_case.name != "every_pair_keeps_order") continue;
      const auto outcome = run_loopback(3, kit_case.run, faults);
      for (const auto& error : outcome.errors) failed += error ? 1 : 0;
    }
    EXPECT_GT(failed, 0);
  }
}

}  // namespace
}  // namespace petavox
