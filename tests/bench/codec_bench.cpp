// Size and speed of chunk codecs on image and label data: what the defaults in io/blosc_codec.cpp rest on.
//
//   codec_bench [FILE:DTYPE:Z,Y,X]…
//
// Each FILE holds a raw array of that type and shape (numpy's tofile); uint32 is taken as local label ids,
// any other type as an image. Without files, synthetic data: noisy EM-like uint8, and labels in large pieces.
// Columns: logical size / stored size, MB of logical data per CPU second packing and unpacking, 64^3 chunks.

#include "petavox/base/hash.hpp"
#include "petavox/io/codec.hpp"
#include "petavox/io/label_chunk.hpp"
#include "petavox/volume/array.hpp"

#include "bench_clock.hpp"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace petavox::bench {
namespace {

constexpr Index chunk_extent = 64;

struct Data {
  std::string name;
  Array array;
};

std::vector<Bytes> chunks_of(const Array& array) {
  std::vector<Bytes> chunks;
  const Extent shape = array.box().shape();
  for (Index z = 0; z + chunk_extent <= shape.z; z += chunk_extent)
    for (Index y = 0; y + chunk_extent <= shape.y; y += chunk_extent)
      for (Index x = 0; x + chunk_extent <= shape.x; x += chunk_extent) {
        const Box box = Box::from(array.box().begin + Extent{z, y, x}, Extent::cube(chunk_extent));
        Array chunk{array.dtype(), box};
        copy_box(array, chunk, box);
        chunks.emplace_back(chunk.bytes().begin(), chunk.bytes().end());
      }
  return chunks;
}

template <class Pack, class Unpack>
void measure(const std::string& data, const std::string& what, const std::vector<Bytes>& chunks, Pack&& pack,
             Unpack&& unpack) {
  std::vector<Bytes> packed(chunks.size());
  std::size_t logical = 0, stored = 0;
  const double packing = least_cpu_seconds(3, [&] {
    for (std::size_t i = 0; i < chunks.size(); ++i) packed[i] = pack(chunks[i]);
  });
  const double unpacking = least_cpu_seconds(3, [&] {
    for (std::size_t i = 0; i < chunks.size(); ++i) unpack(packed[i], chunks[i].size());
  });
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    logical += chunks[i].size();
    stored += packed[i].size();
  }
  const auto megabytes = static_cast<double>(logical) / 1e6;
  std::printf("%-14s %-24s %8.2f %8.0f %8.0f\n", data.c_str(), what.c_str(),
              static_cast<double>(logical) / static_cast<double>(stored), megabytes / packing,
              megabytes / unpacking);
}

std::string text_of(const CodecOptions& options) {
  return std::string{name_of(options.codec)} + "-" + std::to_string(options.level) + " " +
         name_of(options.shuffle);
}

void run(const Data& data) {
  const std::vector<Bytes> chunks = chunks_of(data.array);
  const std::size_t width = size_of(data.array.dtype());
  const bool labels = data.array.dtype() == DType::u32;
  Bytes back(chunks.empty() ? 0 : chunks[0].size());
  for (const auto& [codec, level] :
       {std::pair{Codec::lz4, 5}, std::pair{Codec::lz4hc, 5}, std::pair{Codec::zstd, 1},
        std::pair{Codec::zstd, 3}, std::pair{Codec::zlib, 1}})
    for (const Shuffle shuffle : {Shuffle::none, Shuffle::byte, Shuffle::bit}) {
      if (width == 1 && shuffle == Shuffle::byte) continue;
      const CodecOptions options{codec, level, shuffle};
      measure(
          data.name, text_of(options), chunks,
          [&](const Bytes& chunk) { return pack_chunk(chunk, width, options); },
          [&](const Bytes& packed, std::size_t n) { unpack_chunk(packed, width, std::span{back}.first(n)); });
      if (!labels || shuffle == Shuffle::byte) continue;
      const auto all = data.array.view<std::uint32_t>().channel();
      detail::LabelChunkPacker packer{*std::max_element(all.begin(), all.end()), all.size()};
      std::vector<std::uint32_t> ids(back.size() / 4);
      measure(
          data.name, "list of ids, " + text_of(options), chunks,
          [&](const Bytes& chunk) {
            return packer.pack({reinterpret_cast<const std::uint32_t*>(chunk.data()), chunk.size() / 4},
                               options);
          },
          [&](const Bytes& packed, std::size_t n) {
            const Bytes unpacked = detail::LabelChunk::unpack(packed, n / 4);
            detail::LabelChunk{unpacked}.copy(0, ids);
          });
    }
}

std::vector<Data> synthetic() {
  const Box box{{0, 0, 0}, {128, 128, 128}};
  std::vector<Data> all;
  Array image{DType::u8, box}, labels{DType::u32, box};
  auto voxels = image.view<std::uint8_t>();
  auto ids = labels.view<std::uint32_t>();
  std::uint64_t state = 1;
  box.for_each([&](Coord p) {
    const std::uint64_t noise = mix64(++state);
    voxels[p] = static_cast<std::uint8_t>(100 + p.z / 4 + p.y % 20 + static_cast<Index>(noise % 24));
    const Index wobble = (p.z / 3 + p.x / 5) % 7;
    ids[p] =
        static_cast<std::uint32_t>((p.z / 16 * 64 + (p.y + wobble) / 18 * 8 + (p.x + wobble) / 18) % 400);
  });
  all.push_back({"synthetic EM", std::move(image)});
  all.push_back({"synth. labels", std::move(labels)});
  return all;
}

Data load(const std::string& argument) {
  std::istringstream fields{argument};
  std::string file, type, shape;
  std::getline(fields, file, ':');
  std::getline(fields, type, ':');
  std::getline(fields, shape);
  Extent extent;
  char comma = 0;
  std::istringstream{shape} >> extent.z >> comma >> extent.y >> comma >> extent.x;
  const auto dtype = parse_dtype(type);
  if (!dtype || extent.voxels() <= 0)
    throw Error{ErrorCode::config,
                argument + " is not FILE:DTYPE:Z,Y,X (the data cannot be read); correct it"};
  Array array{*dtype, Box::from({0, 0, 0}, extent)};
  std::ifstream stream{file, std::ios::binary};
  stream.read(reinterpret_cast<char*>(array.bytes().data()),
              static_cast<std::streamsize>(array.bytes().size()));
  if (!stream)
    throw Error{ErrorCode::io, file + " is missing or too short (it does not hold the array); check it"};
  return {file.substr(file.rfind('/') + 1), std::move(array)};
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  using namespace petavox::bench;
  try {
    std::vector<Data> all;
    for (int i = 1; i < argc; ++i) all.push_back(load(argv[i]));
    if (all.empty()) all = synthetic();
    std::printf("%-14s %-24s %8s %8s %8s\n", "data", "codec", "ratio", "pack", "unpack");
    for (const Data& data : all) run(data);
  } catch (const petavox::Error& error) {
    std::fprintf(stderr, "codec_bench: %s\n", error.what());
    return static_cast<int>(petavox::exit_code_of(error.code()));
  }
}
