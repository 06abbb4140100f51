#pragma once
// Fourier transforms of real planes, by FFTW in single precision: plans by estimate and aligned buffers, so
// that equal input gives equal bits whatever ran before (one library version and instruction set).
// Making and destroying are synchronised; one object is for one thread at a time.

#include <complex>
#include <cstddef>
#include <memory>
#include <span>

namespace petavox {

class RealFft2D {
 public:
  /// For planes of height x width floats, rows contiguous. Sizes of small prime factors are fast.
  RealFft2D(std::size_t height, std::size_t width);
  ~RealFft2D();
  RealFft2D(const RealFft2D&) = delete;
  RealFft2D& operator=(const RealFft2D&) = delete;

  std::size_t height() const { return height_; }
  std::size_t width() const { return width_; }
  /// The plane that forward() reads and inverse() writes.
  std::span<float> plane();
  /// The spectrum that forward() writes and inverse() reads and destroys: height x (width / 2 + 1).
  std::span<std::complex<float>> spectrum();
  void forward();
  /// Without the division by height x width.
  void inverse();

 private:
  struct Buffers;
  std::size_t height_, width_;
  std::unique_ptr<Buffers> buffers_;
};

/// The smallest product of 2, 3 and 5 that is at least n, and even.
std::size_t fast_fft_size(std::size_t n);

}  // namespace petavox
