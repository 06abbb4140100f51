#pragma once
// libc's calls that change or read files, replaced for the whole program by ones that can be told to fail.

#include <string>
#include <vector>

namespace petavox::storage_test {

struct FailurePlan {
  int fail_at = -1;             ///< number of the call that fails, counted from 0; -1: none
  int error_number = 0;         ///< errno of the failure
  bool for_ever = false;        ///< all calls from there on fail
  bool short_transfer = false;  ///< writes and reads before it do a part of what they were asked for
};

/// Starts counting.
void begin_failures(const FailurePlan& plan);
/// Stops, and returns the names of the calls that were made.
std::vector<std::string> end_failures();

}  // namespace petavox::storage_test
