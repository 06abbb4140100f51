#include "petavox/volume/digest.hpp"

#include "petavox/base/bytes.hpp"
#include "petavox/volume/digest_row.hpp"

#include <algorithm>
#include <array>
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

DigestSum digest_part(const ChannelVoxels& voxels, const Box& box, DType type, const Box& domain) {
  PETAVOX_ASSERT(voxels.box.contains(box) && domain.contains(box));
  const auto channel_begin =
      static_cast<std::uint64_t>(voxels.channel) * static_cast<std::uint64_t>(domain.voxels());
  const std::size_t size = usize(box.shape().x);
  std::array<std::uint64_t, 2> sums{};
  visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    PETAVOX_ASSERT(voxels.bytes.size() == usize(voxels.box.voxels()) * sizeof(T));
    const View<const T> view{reinterpret_cast<const T*>(voxels.bytes.data()), voxels.box, domain, 1};
    constexpr std::size_t stretch = 512;
    std::array<std::uint64_t, stretch> bits;
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y; ++y) {
        const T* row = &view[{z, y, box.begin.x}];
        const std::uint64_t first =
            channel_begin + static_cast<std::uint64_t>(domain.raster({z, y, box.begin.x}));
        for (std::size_t done = 0; done < size; done += stretch) {
          const std::size_t n = std::min(stretch, size - done);
          const std::uint64_t* values = nullptr;
          if constexpr (std::is_same_v<T, std::uint64_t>) {
            values = row + done;
          } else {
            for (std::size_t i = 0; i < n; ++i) bits[i] = canonical_bits(row[done + i]);
            values = bits.data();
          }
          detail::add_digest_row(values, n, first + done, sums.data());
        }
      }
  });
  return {sums[0], sums[1]};
}

DigestSum digest_part(const Array& array, const Box& box) {
  DigestSum sum;
  if (box.empty()) return sum;
  const std::size_t channel_bytes = array.bytes().size() / static_cast<std::size_t>(array.channels());
  for (int c = 0; c < array.channels(); ++c)
    sum += digest_part(
        {array.bytes().subspan(static_cast<std::size_t>(c) * channel_bytes, channel_bytes), array.box(), c},
        box, array.dtype(), array.domain());
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
