#pragma once
// Files that make_files.py writes, made once a test program.

#include "scratch.hpp"

#include <cstdlib>
#include <string>

#include <sys/wait.h>

namespace petavox::test {

/// Exit code of make_files.py; its output goes to this program's.
inline int run_make_files(const std::string& arguments) {
  const std::string command = std::string{PETAVOX_PYTHON} + " '" PETAVOX_MAKE_FILES "' " + arguments;
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline constexpr int no_h5py = 77;

class PythonFiles : public ::testing::Test {
 protected:
  /// `kind`: "good" or "hostile".
  void make(const std::string& kind) {
    static Scratch scratch;
    static const int code = run_make_files(kind + " '" + scratch.path().string() + "'");
    if (code == no_h5py || code == 127) GTEST_SKIP() << "Python with h5py is not installed";
    ASSERT_EQ(code, 0);
    files_ = scratch.path();
  }
  std::filesystem::path file(const std::string& name) const { return files_ / name; }

 private:
  std::filesystem::path files_;
};

}  // namespace petavox::test
