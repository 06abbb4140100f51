#pragma once

#include "petavox/base/bytes.hpp"

#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace petavox::network {

/// A model file that lives as long as the test.
class ModelFile {
 public:
  explicit ModelFile(const Bytes& bytes) {
    char name[] = "/tmp/petavox_model_XXXXXX";
    const int descriptor = ::mkstemp(name);
    EXPECT_GE(descriptor, 0);
    path_ = name;
    std::ofstream{path_, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                 static_cast<std::streamsize>(bytes.size()));
    ::close(descriptor);
  }
  ~ModelFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace petavox::network
