#pragma once
// Real two-dimensional Fourier transforms of one square size in single precision. Plans are made by estimate,
// for aligned buffers and one transform at a time, so the same library on the same processor always computes
// the same bits.

#include <cstddef>
#include <memory>

namespace petavox::align {

/// Floats at an address that suits the widest vectors. Zero-filled.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t size);
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  float& operator[](std::size_t i) { return data_[i]; }
  float operator[](std::size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t size_ = 0;
};

/// Transforms of n x n reals. Thread-safe after construction.
class Fft2 {
 public:
  /// Plans are shared by all objects of one size.
  explicit Fft2(int n);
  int n() const { return n_; }
  std::size_t num_reals() const { return static_cast<std::size_t>(n_) * static_cast<std::size_t>(n_); }
  /// Floats of a spectrum: n x (n/2 + 1) pairs (real, imaginary).
  std::size_t num_spectrum() const {
    return 2 * static_cast<std::size_t>(n_) * static_cast<std::size_t>(n_ / 2 + 1);
  }
  void forward(AlignedFloats& reals, AlignedFloats& spectrum) const;
  /// Not normalised: n^2 times the inverse. Destroys the spectrum.
  void inverse(AlignedFloats& spectrum, AlignedFloats& reals) const;

 private:
  struct Plans;
  int n_;
  std::shared_ptr<const Plans> plans_;
};

/// out = conj(a) b, element by element: the spectrum of the cross-correlation sum over x of a(x) b(x + k).
void correlate_spectra(const AlignedFloats& a, const AlignedFloats& b, AlignedFloats& out);

}  // namespace petavox::align
