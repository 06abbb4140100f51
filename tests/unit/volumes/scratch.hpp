#pragma once
// A directory that is gone after the test, and small helpers.

#include "petavox/base/error.hpp"
#include "petavox/volume/memory_volume.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace petavox::test {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "petavox_volumes_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no scratch directory"};
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::vector<char> file_bytes(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline void write_bytes(const std::filesystem::path& file, const std::vector<char>& bytes) {
  std::ofstream{file, std::ios::binary}.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::size_t num_files(const std::filesystem::path& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{directory}, std::filesystem::directory_iterator{}));
}

/// What `work` throws.
inline std::optional<Error> error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

/// "<problem> (<why>); <what to do>".
inline bool well_formed(const std::string& text) {
  const auto open = text.find(" ("), close = text.rfind("); ");
  return open != std::string::npos && close != std::string::npos && open < close && close + 3 < text.size();
}

#define EXPECT_ERROR(statement, wanted_code, wanted_text)                                          \
  do {                                                                                             \
    const auto caught = ::petavox::test::error_of([&] { statement; });                             \
    ASSERT_TRUE(caught.has_value()) << "no error";                                                 \
    EXPECT_EQ(caught->code(), wanted_code) << caught->what();                                      \
    EXPECT_NE(std::string{caught->what()}.find(wanted_text), std::string::npos) << caught->what(); \
    EXPECT_TRUE(::petavox::test::well_formed(caught->what())) << caught->what();                   \
  } while (false)

/// The voxels that make_files.py writes, too: a function of the position, in 0..250.
inline std::int64_t pattern(int c, Coord p) {
  return (p.z * 7 + p.y * 13 + p.x * 31 + c * 101 + p.z * p.y % 17 * p.x) % 251;
}

inline void fill_pattern(Array& array, Coord origin = {}) {
  visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = array.view<T>();
    for (int c = 0; c < array.channels(); ++c)
      array.box().for_each(
          [&](Coord p) { view.at(c, p) = static_cast<T>(pattern(c, Coord{} + (p - origin))); });
  });
}

inline MemoryVolume pattern_volume(DType type, const Box& domain, int channels = 1,
                                   VoxelSizeNm voxel = {40, 4, 4}) {
  MemoryVolume volume{type, domain, channels, voxel};
  fill_pattern(volume.array(), domain.begin);
  return volume;
}

/// Not empty, inside the domain.
inline Box random_box(std::mt19937& random, const Box& domain) {
  Box box;
  for (int axis = 0; axis < 3; ++axis) {
    std::uniform_int_distribution<Index> pick{domain.begin[axis], domain.end[axis] - 1};
    const Index a = pick(random), b = pick(random);
    box.begin[axis] = std::min(a, b);
    box.end[axis] = std::max(a, b) + 1;
  }
  return box;
}

/// The first voxel that differs, as text; empty if all are equal.
inline std::string first_difference(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || a.channels() != b.channels() || a.box() != b.box())
    return "type, channels or box";
  std::string text;
  visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto va = a.view<T>(), vb = b.view<T>();
    for (int c = 0; c < a.channels() && text.empty(); ++c)
      a.box().for_each([&](Coord p) {
        if (text.empty() && va.at(c, p) != vb.at(c, p))
          text = "channel " + std::to_string(c) + " voxel " + to_string(p) + ": " +
                 std::to_string(va.at(c, p)) + " and " + std::to_string(vb.at(c, p));
      });
  });
  return text;
}

}  // namespace petavox::test
