#include "stages/fft/fft2d.hpp"

#include "petavox/base/error.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <fftw3.h>

namespace petavox {
namespace {

std::mutex& planner() {  // FFTW's planner is one per process and not thread-safe
  static std::mutex mutex;
  return mutex;
}

fftwf_complex* complex_of(AlignedFloats& floats) { return reinterpret_cast<fftwf_complex*>(floats.data()); }

}  // namespace

AlignedFloats::AlignedFloats(std::size_t size) : data_{fftwf_alloc_real(size)}, size_{size} {
  if (!data_)
    throw Error{ErrorCode::resource, "cannot allocate " + std::to_string(size) +
                                         " floats for a Fourier transform (out of memory); use fewer "
                                         "workers, or smaller tiles or patches"};
  for (std::size_t i = 0; i < size; ++i) data_[i] = 0;
}
void AlignedFloats::Free::operator()(float* p) const { fftwf_free(p); }

struct Fft2D::Plans {
  fftwf_plan forward = nullptr, inverse = nullptr;
  Plans() = default;
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;
  ~Plans() {
    const std::lock_guard lock{planner()};
    if (forward != nullptr) fftwf_destroy_plan(forward);
    if (inverse != nullptr) fftwf_destroy_plan(inverse);
  }
};

Fft2D::Fft2D(std::size_t height, std::size_t width) : height_{height}, width_{width} {
  static std::map<std::pair<std::size_t, std::size_t>, std::weak_ptr<const Plans>> known;
  static std::mutex known_mutex;
  const std::lock_guard guard{known_mutex};
  std::weak_ptr<const Plans>& shared = known[{height, width}];
  plans_ = shared.lock();
  if (plans_) return;
  const auto plans = std::make_shared<Plans>();
  AlignedFloats reals{num_reals()}, spectrum{num_spectrum()};
  {
    const std::lock_guard lock{planner()};
    const auto h = static_cast<int>(height), w = static_cast<int>(width);
    plans->forward = fftwf_plan_dft_r2c_2d(h, w, reals.data(), complex_of(spectrum), FFTW_ESTIMATE);
    plans->inverse = fftwf_plan_dft_c2r_2d(h, w, complex_of(spectrum), reals.data(), FFTW_ESTIMATE);
  }
  if (plans->forward == nullptr || plans->inverse == nullptr)
    throw Error{ErrorCode::resource, "cannot plan a Fourier transform of " + std::to_string(height) + " x " +
                                         std::to_string(width) +
                                         " (out of memory); use smaller tiles or patches"};
  plans_ = plans;
  shared = plans_;
}

void Fft2D::forward(AlignedFloats& reals, AlignedFloats& spectrum) const {
  fftwf_execute_dft_r2c(plans_->forward, reals.data(), complex_of(spectrum));
}
void Fft2D::inverse(AlignedFloats& spectrum, AlignedFloats& reals) const {
  fftwf_execute_dft_c2r(plans_->inverse, complex_of(spectrum), reals.data());
}

void correlate_spectra(const AlignedFloats& a, const AlignedFloats& b, AlignedFloats& out) {
  const float* const p = a.data();
  const float* const q = b.data();
  float* const r = out.data();
  const std::size_t n = out.size();
  for (std::size_t i = 0; i < n; i += 2) {
    r[i] = p[i] * q[i] + p[i + 1] * q[i + 1];
    r[i + 1] = p[i] * q[i + 1] - p[i + 1] * q[i];
  }
}

std::size_t fast_fft_size(std::size_t n) {
  for (std::size_t size = n + n % 2;; size += 2) {
    std::size_t rest = size;
    for (const std::size_t prime : {2U, 3U, 5U})
      while (rest % prime == 0) rest /= prime;
    if (rest == 1) return size;
  }
}

}  // namespace petavox
