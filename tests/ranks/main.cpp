#include "petavox/comm/mpi_session.hpp"

#include "ranks/world.hpp"

#include <cstdio>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace petavox::testing {
namespace {

Communicator* the_world = nullptr;

// One write a failure, so that the lines of several ranks do not mix.
class FailurePrinter final : public ::testing::EmptyTestEventListener {
  // GoogleTest holds its lock while it reports a failure, so the name cannot be asked for then.
  void OnTestStart(const ::testing::TestInfo& test) override {
    test_ = std::string{test.test_suite_name()} + "." + test.name();
  }
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::ostringstream text;
    text << "[rank " << the_world->rank() << "] " << test_ << ": "
         << (result.file_name() != nullptr ? result.file_name() : "unknown file") << ':'
         << result.line_number() << ": " << result.message() << '\n';
    std::fputs(text.str().c_str(), stdout);
    std::fflush(stdout);
  }
  std::string test_ = "outside of any test";
};

}  // namespace

Communicator& world() { return *the_world; }

}  // namespace petavox::testing

int main(int argc, char** argv) {
  return petavox::run_guarded(argc, argv, [&](petavox::Communicator& comm) {
    petavox::testing::the_world = &comm;
    ::testing::InitGoogleTest(&argc, argv);
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    if (comm.rank() != 0) delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new petavox::testing::FailurePrinter);  // owned by GoogleTest
    const int here = RUN_ALL_TESTS();
    return static_cast<int>(comm.maximum(here));
  });
}
