// Runs seeds of the simulation. Every seed is a run of its own with its own faults, and the same each time.
//
//   simulate_faults A B [--repeat N]     seeds A to B-1; every N-th runs twice and must be the same
//
// Exit code 1 if a promise was broken; each such seed is named on a line of its own. The last line has the
// counts.

#include "petavox/base/log.hpp"

#include "simulation/trial.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  using namespace petavox::simulation;
  if (argc != 3 && !(argc == 5 && std::strcmp(argv[3], "--repeat") == 0)) {
    std::fprintf(stderr, "usage: %s A B [--repeat N]\n", argv[0]);
    return 2;
  }
  petavox::log::set_level(std::getenv("SIMULATION_LOG") != nullptr ? petavox::log::Level::debug
                                                                   : petavox::log::Level::off);
  const std::uint64_t begin = std::strtoull(argv[1], nullptr, 10), end = std::strtoull(argv[2], nullptr, 10);
  const std::uint64_t repeat = argc == 5 ? std::strtoull(argv[4], nullptr, 10) : 0;
  const auto settings = make_settings();
  std::uint64_t failed = 0, launches = 0, crashes = 0, executions = 0, repeated = 0;
  double virtual_s = 0;
  for (std::uint64_t seed = begin; seed < end; ++seed) {
    const TrialReport report = run_trial(settings, seed);
    std::string problem = report.violation;
    if (problem.empty() && repeat > 0 && seed % repeat == 0) {
      ++repeated;
      if (run_trial(settings, seed).trace != report.trace) problem = "a second run went another way";
    }
    if (!problem.empty()) {
      ++failed;
      std::printf("seed %llu: %s (launch %d)\n", static_cast<unsigned long long>(seed), problem.c_str(),
                  report.launches);
      std::fflush(stdout);
    }
    launches += static_cast<std::uint64_t>(report.launches);
    crashes += static_cast<std::uint64_t>(report.crashes);
    executions += static_cast<std::uint64_t>(report.executions);
    virtual_s += report.virtual_s;
  }
  std::printf(
      "%llu seeds, %llu broken promises, %llu launches, %llu crashed ranks, %llu executions, %.1f virtual "
      "hours, %llu "
      "run twice\n",
      static_cast<unsigned long long>(end - begin), static_cast<unsigned long long>(failed),
      static_cast<unsigned long long>(launches), static_cast<unsigned long long>(crashes),
      static_cast<unsigned long long>(executions), virtual_s / 3600,
      static_cast<unsigned long long>(repeated));
  return failed == 0 ? 0 : 1;
}
