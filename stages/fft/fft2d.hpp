#pragma once
// Real two-dimensional Fourier transforms in single precision, by FFTW. Plans are made by estimate, for
// aligned buffers and one transform at a time, so the same library on the same processor always computes the
// same bits, whatever ran before.

#include <cstddef>
#include <memory>

namespace petavox {

/// Floats at an address that suits the widest vectors. Zero-filled. Throws Error{resource} without memory.
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

/// Transforms of planes of height x width reals, rows contiguous. Thread-safe after construction.
class Fft2D {
 public:
  /// Sizes of small prime factors are fast. Plans are shared by all objects of one size.
  Fft2D(std::size_t height, std::size_t width);
  std::size_t height() const { return height_; }
  std::size_t width() const { return width_; }
  std::size_t num_reals() const { return height_ * width_; }
  /// Floats of a spectrum: height x (width / 2 + 1) pairs (real, imaginary).
  std::size_t num_spectrum() const { return 2 * height_ * (width_ / 2 + 1); }
  void forward(AlignedFloats& reals, AlignedFloats& spectrum) const;
  /// Not normalised: height x width times the inverse. Destroys the spectrum.
  void inverse(AlignedFloats& spectrum, AlignedFloats& reals) const;

 private:
  struct Plans;
  std::size_t height_, width_;
  std::shared_ptr<const Plans> plans_;
};

/// out = conj(a) b, element by element: the spectrum of the cross-correlation sum over x of a(x) b(x + k).
void correlate_spectra(const AlignedFloats& a, const AlignedFloats& b, AlignedFloats& out);

/// The smallest product of 2, 3 and 5 that is at least n, and even.
std::size_t fast_fft_size(std::size_t n);

}  // namespace petavox
