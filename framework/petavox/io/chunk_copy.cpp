#include "petavox/io/chunk_copy.hpp"

namespace petavox {
namespace {

// Calls f(offset of the row in the chunk, offset in the array, bytes) for each row of `what`.
template <class F>
void for_each_row(const Box& chunk_box, const Array& array, int channel, const Box& what, F&& f) {
  const std::size_t size = size_of(array.dtype());
  const auto voxels = static_cast<std::size_t>(array.box().voxels());
  const std::size_t channel_offset = voxels * static_cast<std::size_t>(channel);
  const std::size_t row_bytes = usize(what.shape().x) * size;
  for (Index z = what.begin.z; z < what.end.z; ++z)
    for (Index y = what.begin.y; y < what.end.y; ++y) {
      const Coord p{z, y, what.begin.x};
      f(usize(chunk_box.raster(p)) * size, (channel_offset + usize(array.box().raster(p))) * size, row_bytes);
    }
}

}  // namespace

void copy_from_chunk(std::span<const std::byte> chunk, const Box& chunk_box, Array& into, int channel,
                     const Box& what) {
  for_each_row(chunk_box, into, channel, what,
               [&](std::size_t in_chunk, std::size_t in_array, std::size_t bytes) {
                 std::memcpy(into.bytes().data() + in_array, chunk.data() + in_chunk, bytes);
               });
}

void copy_to_chunk(const Array& from, int channel, const Box& what, std::span<std::byte> chunk,
                   const Box& chunk_box) {
  for_each_row(chunk_box, from, channel, what,
               [&](std::size_t in_chunk, std::size_t in_array, std::size_t bytes) {
                 std::memcpy(chunk.data() + in_chunk, from.bytes().data() + in_array, bytes);
               });
}

void check_read(const Array& into, DType type, int channels, const Box& domain, const std::string& name) {
  if (into.dtype() != type || into.channels() != channels)
    throw Error{ErrorCode::contract, "an array of " + std::to_string(into.channels()) + " x " +
                                         name_of(into.dtype()) + " was to be read from " + name +
                                         ", which holds " + std::to_string(channels) + " x " + name_of(type) +
                                         " (the bytes would be misread); give an array of that type"};
  if (!domain.contains(into.box()))
    throw Error{ErrorCode::contract, "box " + to_string(into.box()) + " is not inside " + to_string(domain) +
                                         " of " + name + " (there are no voxels there); clip the box"};
}

}  // namespace petavox
