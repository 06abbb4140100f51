#include "stages/affinities/kernel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace petavox::affinities {
namespace {

/// From an input value to fixed point, without a branch on the voxel but for the check of floats.
template <class T, class U>
class Quantiser {
 public:
  explicit Quantiser(const Convention& c)
      : zero_{c.invert ? c.one : c.zero},
        gain_{static_cast<double>(std::numeric_limits<U>::max()) / ((c.invert ? c.zero : c.one) - zero_)} {}

  /// NaN for what is not finite.
  double scaled(T value) const {
    const double v = (static_cast<double>(value) - zero_) * gain_;
    if constexpr (std::is_floating_point_v<T>)
      if (!std::isfinite(value)) return std::numeric_limits<double>::quiet_NaN();
    constexpr double top = std::numeric_limits<U>::max();
    return v < 0 ? 0 : v > top ? top : v;
  }
  U operator()(T value) const { return static_cast<U>(scaled(value) + 0.5); }

 private:
  double zero_, gain_;
};

[[noreturn]] void not_finite(Coord p, int channel) {
  throw Error{ErrorCode::stage,
              "voxel " + to_string(p) + " channel " + std::to_string(channel) +
                  " is not a finite number (its affinity is unknown); repair the volume or mask it"};
}

template <class T, class U>
void import_as(const Array& in, Array& out, const Convention& convention) {
  const View<const T> view = in.view<T>();
  const View<U> result = out.view<U>();
  const Quantiser<T, U> quantise{convention};
  const Box& core = result.box();
  const auto check = [](T value, Coord p, int channel) {
    if constexpr (std::is_floating_point_v<T>)
      if (!std::isfinite(value)) not_finite(p, channel);
  };
  for (int axis = 0; axis < 3; ++axis) {
    const int channel = convention.membrane ? 0 : convention.channel[static_cast<std::size_t>(axis)];
    core.for_each([&](Coord p) {
      Coord below = p;
      --below[axis];
      const bool inside = below[axis] >= view.domain().begin[axis];
      if (convention.membrane) {
        check(view[p], p, channel);
        if (!inside) return;
        check(view[below], below, channel);
        const U a = quantise(view[p]), b = quantise(view[below]);
        if (convention.combine == Combine::min) result.at(axis, p) = std::min(a, b);
        if (convention.combine == Combine::max) result.at(axis, p) = std::max(a, b);
        if (convention.combine == Combine::mean)
          result.at(axis, p) = static_cast<U>((std::uint32_t{a} + std::uint32_t{b} + 1) / 2);
      } else if (inside) {
        const Coord at = convention.upper ? below : p;
        check(view.at(channel, at), at, channel);
        result.at(axis, p) = quantise(view.at(channel, at));
      }
    });
  }
  for (int channel = 3; channel < result.channels(); ++channel)
    core.for_each([&](Coord p) {
      check(view.at(channel, p), p, channel);
      result.at(channel, p) = quantise(view.at(channel, p));
    });
}

}  // namespace

Halo halo_of(const Convention& convention) {
  return convention.membrane || convention.upper ? Halo::lower(1) : Halo::none();
}

void import(const Array& in, Array& out, const Convention& convention) {
  visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
    if (out.dtype() == DType::u8)
      import_as<T, std::uint8_t>(in, out, convention);
    else
      import_as<T, std::uint16_t>(in, out, convention);
  });
}

}  // namespace petavox::affinities
