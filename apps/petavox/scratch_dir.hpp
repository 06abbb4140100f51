#pragma once
// A directory that is removed at the end.

#include <filesystem>

namespace petavox::app {

class ScratchDir {
 public:
  /// Made below `parent`; the system's directory for temporary files if that is empty. Throws Error{io}.
  explicit ScratchDir(const std::filesystem::path& parent);
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace petavox::app
