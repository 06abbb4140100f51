#include "stages/fft/real_fft.hpp"

#include "petavox/base/error.hpp"

#include <mutex>

#include <fftw3.h>

namespace petavox {
namespace {

std::mutex& planner() {
  static std::mutex mutex;  // FFTW's planner is not thread-safe
  return mutex;
}

}  // namespace

struct RealFft2D::Buffers {
  float* plane = nullptr;
  fftwf_complex* spectrum = nullptr;
  fftwf_plan forward = nullptr, inverse = nullptr;
  ~Buffers() {
    const std::lock_guard lock{planner()};
    if (forward != nullptr) fftwf_destroy_plan(forward);
    if (inverse != nullptr) fftwf_destroy_plan(inverse);
    fftwf_free(plane);
    fftwf_free(spectrum);
  }
};

RealFft2D::RealFft2D(std::size_t height, std::size_t width)
    : height_{height}, width_{width}, buffers_{std::make_unique<Buffers>()} {
  buffers_->plane = fftwf_alloc_real(height * width);
  buffers_->spectrum = fftwf_alloc_complex(height * (width / 2 + 1));
  if (buffers_->plane != nullptr && buffers_->spectrum != nullptr) {
    const std::lock_guard lock{planner()};
    const auto h = static_cast<int>(height), w = static_cast<int>(width);
    buffers_->forward = fftwf_plan_dft_r2c_2d(h, w, buffers_->plane, buffers_->spectrum, FFTW_ESTIMATE);
    buffers_->inverse = fftwf_plan_dft_c2r_2d(h, w, buffers_->spectrum, buffers_->plane, FFTW_ESTIMATE);
  }
  if (buffers_->forward == nullptr || buffers_->inverse == nullptr)
    throw Error{ErrorCode::resource, "cannot allocate a Fourier transform of " + std::to_string(height) +
                                         " x " + std::to_string(width) +
                                         " (out of memory); use smaller tiles or patches"};
}

RealFft2D::~RealFft2D() = default;

std::span<float> RealFft2D::plane() { return {buffers_->plane, height_ * width_}; }

std::span<std::complex<float>> RealFft2D::spectrum() {
  // FFTW documents its complex type as laid out like std::complex.
  return {reinterpret_cast<std::complex<float>*>(buffers_->spectrum), height_ * (width_ / 2 + 1)};
}

void RealFft2D::forward() { fftwf_execute(buffers_->forward); }
void RealFft2D::inverse() { fftwf_execute(buffers_->inverse); }

std::size_t fast_fft_size(std::size_t n) {
  for (std::size_t size = n + n % 2;; size += 2) {
    std::size_t rest = size;
    for (const std::size_t prime : {2U, 3U, 5U})
      while (rest % prime == 0) rest /= prime;
    if (rest == 1) return size;
  }
}

}  // namespace petavox
