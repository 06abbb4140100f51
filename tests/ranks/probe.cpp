// Ends as PETAVOX_PROBE asks, on the last rank only: the test of ranks/main.cpp.

#include "ranks/world.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

TEST(Probe, ends_as_asked) {
  const char* const asked = std::getenv("PETAVOX_PROBE");
  ASSERT_NE(asked, nullptr);
  auto& world = petavox::testing::world();
  world.barrier();
  if (world.rank() != world.size() - 1) return;
  const std::string how = asked;
  if (how == "fails_on_last") {
    FAIL() << "asked to fail";
  }
  if (how == "throws_on_last") throw std::runtime_error{"asked to throw"};
}
