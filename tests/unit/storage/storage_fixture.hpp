#pragma once
// A run directory for one test, and data to put into it.

#include "petavox/base/hash.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/volume/array.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace petavox::storage_test {

/// A fresh directory that is deleted afterwards.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "petavox_storage_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error{"no scratch directory"};
    path_ = pattern;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StorageTest : public testing::Test {
 protected:
  ScratchDirectory scratch;
  OutputRoot root = OutputRoot::create(scratch.path() + "/run");
};

/// The error that `f` throws; nothing if it throws none.
template <class F>
std::optional<Error> error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

/// `<problem> (<why it matters>); <what to do>`.
inline bool well_worded(const Error& error) {
  const std::string text = error.what();
  const auto open = text.find('('), close = text.rfind("); ");
  return open != std::string::npos && close != std::string::npos && open < close && close + 3 < text.size();
}

inline Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text});
  return {bytes.begin(), bytes.end()};
}

/// Replaces a file's content in place, without the fsyncs that durable writes cost.
inline void overwrite(const OutputRoot& root, std::string_view name, std::span<const std::byte> bytes) {
  File file = root.open_or_create(name);
  file.write_all_at(bytes, 0);
  file.resize(bytes.size());
}

/// A small fast generator: the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{seed} {}
  std::uint64_t operator()() { return mix64(state_ += 0x9e3779b97f4a7c15ULL); }
  std::uint64_t below(std::uint64_t n) { return (*this)() % n; }

 private:
  std::uint64_t state_;
};

inline Bytes random_bytes(std::size_t n, std::uint64_t seed) {
  Random random{seed};
  Bytes bytes(n);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

/// Smooth values with some noise, of any type; floats include -0 and NaN.
inline Array test_image(DType type, const Box& box, const Box& domain, int channels, std::uint64_t seed) {
  Array array{type, box, domain, channels};
  Random random{seed};
  visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    auto view = array.view<T>();
    for (int c = 0; c < channels; ++c)
      box.for_each([&](Coord p) {
        const auto value = static_cast<T>(p.z * 3 + p.y * 2 + p.x + c * 50);
        view.at(c, p) =
            random.below(4) == 0 ? static_cast<T>(value + static_cast<T>(random.below(16))) : value;
      });
    if constexpr (std::is_same_v<T, float>)
      if (array.bytes().size() >= 8) {
        view.channel()[0] = -0.0F;
        view.channel()[1] = std::numeric_limits<float>::quiet_NaN();
      }
  });
  return array;
}

/// Balls of labels: ids 0..num_ids in pieces as labels come.
inline Array test_labels(const Box& box, const Box& domain, std::uint32_t num_ids, std::uint64_t seed) {
  Array array{DType::u32, box, domain};
  auto ids = array.view<std::uint32_t>();
  box.for_each([&](Coord p) {
    const std::uint64_t cell = mix64(static_cast<std::uint64_t>(floor_div(p.z, 5)) * 1000003 +
                                     static_cast<std::uint64_t>(floor_div(p.y, 7)) * 1009 +
                                     static_cast<std::uint64_t>(floor_div(p.x, 6)) + seed);
    ids[p] = static_cast<std::uint32_t>(cell % (std::uint64_t{num_ids} + 1));
  });
  return array;
}

inline bool equal_on(const Array& a, const Array& b, const Box& region) {
  Array left{a.dtype(), region, region, a.channels()}, right{b.dtype(), region, region, b.channels()};
  copy_box(a, left, region);
  copy_box(b, right, region);
  return std::ranges::equal(left.bytes(), right.bytes());
}

}  // namespace petavox::storage_test
