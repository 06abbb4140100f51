#pragma once
// Arrays of plain values that live in memory while they are small and in memory-mapped, already unlinked
// files of the scratch directory when they are not: so that a reduction never needs more memory than its
// budget. Promises: pages of a spilled array are file pages, which the kernel writes back and evicts under
// pressure; disk space is reserved before it is used, so a full disk is an Error{resource} and never a
// SIGBUS; nothing is left behind, whatever kills the process. Thread safety: a pool may be shared by threads;
// a vector belongs to one thread at a time.

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

namespace petavox {

/// The memory budget that a group of SpillVectors shares.
class SpillPool {
 public:
  /// `scratch_dir` empty: the system's temporary directory.
  SpillPool(std::size_t memory_bytes, std::string scratch_dir)
      : memory_bytes_{memory_bytes}, scratch_dir_{std::move(scratch_dir)} {}
  SpillPool(const SpillPool&) = delete;
  SpillPool& operator=(const SpillPool&) = delete;

  std::size_t memory_bytes() const { return memory_bytes_; }
  /// Bytes held in anonymous memory and in files at this moment.
  std::size_t held_bytes() const { return held_.load(std::memory_order_relaxed); }
  std::size_t spilled_bytes() const { return spilled_.load(std::memory_order_relaxed); }
  /// The most that held_bytes() has been.
  std::size_t most_held_bytes() const { return most_held_.load(std::memory_order_relaxed); }

 private:
  friend class SpillBuffer;
  bool take(std::size_t bytes);
  void give(std::size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  int create_file() const;

  std::size_t memory_bytes_;
  std::string scratch_dir_;
  std::atomic<std::size_t> held_{0}, most_held_{0}, spilled_{0};
};

/// The untyped storage of a SpillVector. Movable.
class SpillBuffer {
 public:
  SpillBuffer() = default;
  /// Without a pool, always in memory.
  explicit SpillBuffer(std::shared_ptr<SpillPool> pool) : pool_{std::move(pool)} {}
  SpillBuffer(SpillBuffer&& o) noexcept { swap(o); }
  SpillBuffer& operator=(SpillBuffer&& o) noexcept {
    SpillBuffer gone{std::move(o)};
    swap(gone);
    return *this;
  }
  ~SpillBuffer() { release(); }

  std::byte* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  bool spilled() const { return fd_ >= 0; }
  /// Makes room for at least `bytes`, keeping the first `used`. Throws Error{resource}.
  void grow(std::size_t bytes, std::size_t used);
  const std::shared_ptr<SpillPool>& pool() const { return pool_; }

 private:
  void swap(SpillBuffer& o) noexcept {
    std::swap(pool_, o.pool_);
    std::swap(data_, o.data_);
    std::swap(capacity_, o.capacity_);
    std::swap(fd_, o.fd_);
  }
  void release() noexcept;
  void to_file(std::size_t bytes, std::size_t used);
  void extend_file(std::size_t bytes);

  std::shared_ptr<SpillPool> pool_;
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  int fd_ = -1;
};

/// A growing array of plain values. Movable; references are invalidated by growth.
template <class T>
class SpillVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;

  /// Always in memory.
  SpillVector() = default;
  explicit SpillVector(std::shared_ptr<SpillPool> pool) : buffer_{std::move(pool)} {}
  SpillVector(SpillVector&& o) noexcept : buffer_{std::move(o.buffer_)}, size_{std::exchange(o.size_, 0)} {}
  SpillVector& operator=(SpillVector&& o) noexcept {
    buffer_ = std::move(o.buffer_);
    size_ = std::exchange(o.size_, 0);
    return *this;
  }
  /// An empty one with the same budget.
  SpillVector sibling() const { return SpillVector{buffer_.pool()}; }
  SpillVector clone() const {
    SpillVector copy = sibling();
    copy.append(span());
    return copy;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool spilled() const { return buffer_.spilled(); }
  T* data() { return reinterpret_cast<T*>(buffer_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(buffer_.data()); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

  void reserve(std::size_t count) {
    const std::size_t bytes = checked_mul(count, sizeof(T));
    if (bytes > buffer_.capacity()) buffer_.grow(bytes, size_ * sizeof(T));
  }
  void push_back(const T& value) {
    const T copy = value;  // may be one of our own
    if ((size_ + 1) * sizeof(T) > buffer_.capacity()) room_for(size_ + 1);
    data()[size_++] = copy;
  }
  /// Expects values outside this vector.
  void append(std::span<const T> values) {
    if (values.empty()) return;
    room_for(checked_add(size_, values.size()));
    std::memcpy(static_cast<void*>(data() + size_), values.data(), values.size_bytes());
    size_ += values.size();
  }
  /// write(to) puts at most `most` elements at `to` and returns their end. Room grows by small steps, for
  /// arrays that are added to until they stay as they are.
  template <class Write>
  void append_at_most(std::size_t most, Write&& write) {
    if (size_ + most > capacity()) reserve(checked_add(size_, std::max(most, size_ / 8)));
    size_ = static_cast<std::size_t>(write(data() + size_) - data());
  }
  /// New elements are copies of `value`.
  void resize(std::size_t count, const T& value = T{}) {
    const T copy = value;
    reserve(count);
    if (count > size_) std::fill(data() + size_, data() + count, copy);
    size_ = count;
  }
  /// As many new elements T{} at the end, with room for more if that needs room.
  void extend(std::size_t count) {
    room_for(checked_add(size_, count));
    resize(size_ + count);
  }
  void clear() { size_ = 0; }

 private:
  std::size_t capacity() const { return buffer_.capacity() / sizeof(T); }
  void room_for(std::size_t count) {
    if (checked_mul(count, sizeof(T)) <= buffer_.capacity()) return;
    reserve(std::max(count, checked_add(size_, size_ / 2)));
  }
  SpillBuffer buffer_;
  std::size_t size_ = 0;
};

}  // namespace petavox
