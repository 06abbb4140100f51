#pragma once
// For test programs that run on several ranks. Their main() runs all tests on all ranks and ends with the
// greatest result of any rank; failures of every rank are printed with its number. All ranks run the same
// tests in the same order: a test must not return early on one rank while others enter a collective.

#include "petavox/comm/communicator.hpp"

namespace petavox::testing {

/// All ranks of this program. Expects to be called from within a test.
Communicator& world();

}  // namespace petavox::testing
