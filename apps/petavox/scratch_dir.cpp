#include "apps/petavox/scratch_dir.hpp"

#include "petavox/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <stdlib.h>

namespace petavox::app {

ScratchDir::ScratchDir(const std::filesystem::path& parent) {
  std::error_code error;
  const std::filesystem::path base = parent.empty() ? std::filesystem::temp_directory_path(error) : parent;
  if (!parent.empty()) std::filesystem::create_directories(base, error);
  std::string pattern = (base / "petavox.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw Error{ErrorCode::io,
                "cannot make a directory in " + base.string() + ": " + std::strerror(errno) +
                    " (results have to be kept for comparison); give another place with --scratch"};
  path_ = pattern;
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace petavox::app
