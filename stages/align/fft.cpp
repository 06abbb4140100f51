#include "stages/align/fft.hpp"

#include "petavox/base/check.hpp"

#include <map>
#include <mutex>

#include <fftw3.h>

namespace petavox::align {
namespace {

std::mutex& planner() {  // FFTW's planner is one per process and not thread-safe
  static std::mutex mutex;
  return mutex;
}

fftwf_complex* complex_of(AlignedFloats& floats) { return reinterpret_cast<fftwf_complex*>(floats.data()); }

}  // namespace

AlignedFloats::AlignedFloats(std::size_t size) : data_{fftwf_alloc_real(size)}, size_{size} {
  if (!data_)
    throw Error{ErrorCode::resource,
                "cannot allocate " + std::to_string(size) +
                    " floats for a Fourier transform (out of memory); use fewer workers"};
  for (std::size_t i = 0; i < size; ++i) data_[i] = 0;
}
void AlignedFloats::Free::operator()(float* p) const { fftwf_free(p); }

struct Fft2::Plans {
  fftwf_plan forward = nullptr, inverse = nullptr;
  Plans() = default;
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;
  ~Plans() {
    const std::lock_guard lock{planner()};
    fftwf_destroy_plan(forward);
    fftwf_destroy_plan(inverse);
  }
};

Fft2::Fft2(int n) : n_{n} {
  static std::map<int, std::weak_ptr<const Plans>> known;
  static std::mutex known_mutex;
  const std::lock_guard guard{known_mutex};
  plans_ = known[n].lock();
  if (plans_) return;
  auto plans = std::make_shared<Plans>();
  AlignedFloats reals{num_reals()}, spectrum{num_spectrum()};
  {
    const std::lock_guard lock{planner()};
    plans->forward = fftwf_plan_dft_r2c_2d(n, n, reals.data(), complex_of(spectrum), FFTW_ESTIMATE);
    plans->inverse = fftwf_plan_dft_c2r_2d(n, n, complex_of(spectrum), reals.data(), FFTW_ESTIMATE);
  }
  PETAVOX_ASSERT(plans->forward != nullptr && plans->inverse != nullptr);
  plans_ = plans;
  known[n] = plans_;
}

void Fft2::forward(AlignedFloats& reals, AlignedFloats& spectrum) const {
  fftwf_execute_dft_r2c(plans_->forward, reals.data(), complex_of(spectrum));
}
void Fft2::inverse(AlignedFloats& spectrum, AlignedFloats& reals) const {
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

}  // namespace petavox::align
