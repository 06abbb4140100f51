#pragma once
// Little-endian encoding of plain values, and its bounds-checked decoding: for journal records, messages,
// pack directories and reduction states.
// Promises: a decoder never reads beyond its span and never allocates more than the span could hold.

#include "petavox/base/error.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace petavox {

static_assert(std::endian::native == std::endian::little,
              "petavox stores values in native little-endian order");

using Bytes = std::vector<std::byte>;

/// The bytes of a text; they live as long as it does.
inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span{text}); }
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteWriter {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>,
                  "only types without padding have one encoding");
    append(&value, sizeof(T));
  }
  /// Count (u64), then the elements.
  template <class T>
  void put_span(std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>);
    put(static_cast<std::uint64_t>(values.size()));
    append(values.data(), values.size_bytes());
  }
  template <class T>
  void put_vector(const std::vector<T>& values) {
    put_span(std::span<const T>{values});
  }
  void put_text(std::string_view text) { put_span(std::span<const char>{text.data(), text.size()}); }
  void append(const void* data, std::size_t size) {
    if (size == 0) return;
    const std::size_t end = bytes_.size();
    bytes_.resize(end + size);
    std::memcpy(bytes_.data() + end, data, size);
  }
  std::size_t size() const { return bytes_.size(); }
  const Bytes& bytes() const& { return bytes_; }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_{bytes} {}

  template <class T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, need(sizeof(T)), sizeof(T));
    return value;
  }
  template <class T>
  std::vector<T> get_vector() {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto count = get<std::uint64_t>();
    if (count > remaining() / sizeof(T)) fail();
    std::vector<T> values(static_cast<std::size_t>(count));
    if (count > 0) std::memcpy(values.data(), need(values.size() * sizeof(T)), values.size() * sizeof(T));
    return values;
  }
  std::string get_text() {
    const auto chars = get_vector<char>();
    return {chars.begin(), chars.end()};
  }
  std::span<const std::byte> get_raw(std::size_t size) { return {need(size), size}; }
  std::size_t remaining() const { return bytes_.size() - at_; }
  bool done() const { return remaining() == 0; }

 private:
  const std::byte* need(std::size_t size) {
    if (size > remaining()) fail();
    const std::byte* here = bytes_.data() + at_;
    at_ += size;
    return here;
  }
  [[noreturn]] static void fail() {
    throw Error{ErrorCode::io, "a record ends too early (it is truncated or damaged); the object is refused"};
  }
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace petavox
