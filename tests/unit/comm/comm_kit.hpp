#pragma once
// What every Communicator promises, as functions that each rank calls at once. They throw std::runtime_error
// on the rank that sees a promise broken, so that they work under any test driver.

#include "petavox/comm/communicator.hpp"

#include <functional>
#include <string>
#include <vector>

namespace petavox::testing {

struct CommCase {
  std::string name;
  std::function<void(Communicator&)> run;
};

/// All cases. Each expects no messages under way, and leaves none.
std::vector<CommCase> comm_kit();

}  // namespace petavox::testing
