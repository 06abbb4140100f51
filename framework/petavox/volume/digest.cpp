#include "petavox/volume/digest.hpp"

#include "petavox/base/bytes.hpp"

#include <cmath>

namespace petavox {
namespace {

template <class T>
std::uint64_t canonical_bits(T value) {
  if constexpr (std::is_same_v<T, float>) {
    if (std::isnan(value)) return 0x7fc00000U;
    if (value == 0.0F) return 0;
    return std::bit_cast<std::uint32_t>(value);
  } else {
    return static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
  }
}

}  // namespace

DigestSum digest_part(const Array& array, const Box& box) {
  DigestSum sum;
  if (box.empty()) return sum;
  const Box domain = array.domain();
  const auto voxels = static_cast<std::uint64_t>(domain.voxels());
  visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = array.view<T>();
    for (int c = 0; c < array.channels(); ++c)
      for (Index z = box.begin.z; z < box.end.z; ++z)
        for (Index y = box.begin.y; y < box.end.y; ++y) {
          const T* row = &view.at(c, {z, y, box.begin.x});
          const std::uint64_t first = static_cast<std::uint64_t>(c) * voxels +
                                      static_cast<std::uint64_t>(domain.raster({z, y, box.begin.x}));
          std::uint64_t a = 0, b = 0;
          for (Index i = 0; i < box.shape().x; ++i) {
            const std::uint64_t key = (first + static_cast<std::uint64_t>(i) + 1) * 0x9e3779b97f4a7c15ULL;
            const std::uint64_t h = mix64(key ^ mix64(canonical_bits(row[i]) + 0x632be59bd9b4e019ULL));
            a += h;
            b += h * h + (h >> 32);
          }
          sum += {a, b};
        }
  });
  return sum;
}

Hash128 finish_digest(const DigestSum& sum, DType type, int channels, const Box& domain) {
  ByteWriter bytes;
  bytes.put(sum.a);
  bytes.put(sum.b);
  bytes.put(static_cast<std::uint32_t>(type));
  bytes.put(static_cast<std::uint32_t>(channels));
  bytes.put(domain);
  return hash128(std::span<const std::byte>{bytes.bytes()});
}

}  // namespace petavox
