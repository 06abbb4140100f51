// PNG by libpng. Its errors come by longjmp: the functions that call it hold nothing that needs a destructor.

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/io/file.hpp"
#include "petavox/io/image_stack_files.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>

#include <png.h>

namespace petavox::detail {
namespace {

struct Failure {
  std::array<char, 200> text{};
};

void on_error(png_structp png, png_const_charp text) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::strncpy(failure->text.data(), text, failure->text.size() - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

[[noreturn]] void damaged(const std::filesystem::path& file, const std::string& why) {
  throw Error{ErrorCode::io, "cannot read the image " + file.string() + " (" + why +
                                 "); the file may be damaged: get a fresh copy"};
}

struct Source {
  const std::byte* data;
  std::size_t size, at;
};

void read_from(png_structp png, png_bytep into, std::size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->size - source->at) png_error(png, "the file ends too early");
  std::memcpy(into, source->data + source->at, size);
  source->at += size;
}

// False with the reason in `failure`.
bool decode(Source* source, png_uint_32 height, png_uint_32 width, png_bytepp rows, Failure* failure) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, failure, on_error, on_warning);
  if (png == nullptr) return false;
  png_infop info = png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_read_struct(&png, &info, nullptr);
    return false;
  }
  png_set_read_fn(png, source, read_from);
  png_set_user_limits(png, width, height);
  png_set_chunk_malloc_max(png, 1 << 20);
  png_set_chunk_cache_max(png, 64);
  png_read_info(png, info);
  if (png_get_image_height(png, info) != height || png_get_image_width(png, info) != width)
    png_error(png, "its header has changed");
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  png_destroy_read_struct(&png, &info, nullptr);
  return true;
}

void append_to(png_structp png, png_bytep bytes, std::size_t size) {
  auto* out = static_cast<Bytes*>(png_get_io_ptr(png));
  try {
    const auto* first = reinterpret_cast<const std::byte*>(bytes);
    out->insert(out->end(), first, first + size);
    return;
  } catch (...) {
    // The jump must not leave the handler.
  }
  png_error(png, "out of memory");
}
void flush(png_structp) {}

bool encode(Bytes* out, png_uint_32 height, png_uint_32 width, int color, int bits, png_bytepp rows,
            Failure* failure) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, failure, on_error, on_warning);
  if (png == nullptr) return false;
  png_infop info = png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(png, out, append_to, flush);
  png_set_IHDR(png, info, width, height, bits, color, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_set_swap(png);
  png_write_image(png, rows);
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return true;
}

std::uint32_t big_endian(const unsigned char* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

}  // namespace

std::vector<ImageHeader> read_png_headers(const std::filesystem::path& file, std::int64_t max_pixels) {
  // Signature, then the first chunk: its length, "IHDR", width, height, depth, color type.
  constexpr std::size_t header_bytes = 26;
  std::array<unsigned char, header_bytes> raw{};
  const File opened{open_regular(file), file.string()};
  if (opened.read_at(std::as_writable_bytes(std::span{raw}), 0) < header_bytes ||
      std::memcmp(raw.data() + 12, "IHDR", 4) != 0)
    damaged(file, "its header is incomplete");
  const std::uint32_t width = big_endian(raw.data() + 16), height = big_endian(raw.data() + 20);
  const int depth = raw[24], color = raw[25];
  if (color != PNG_COLOR_TYPE_GRAY)
    throw Error{ErrorCode::config,
                file.string() +
                    " is not a gray image (a section has one value a pixel); convert it to gray of 8 or "
                    "16 bits"};
  check_pixels(file, height, width, max_pixels);
  return {{static_cast<Index>(height), static_cast<Index>(width), depth == 16 ? 16 : 8, 0}};
}

void decode_png(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels) {
  const File opened{open_regular(file), file.string()};
  Bytes bytes(checked_cast<std::size_t>(opened.size_bytes()));
  opened.read_exact_at(bytes, 0);
  const std::size_t row_bytes = header.size_bytes() / usize(header.height);
  std::vector<png_bytep> rows(usize(header.height));
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = reinterpret_cast<png_bytep>(pixels.data() + i * row_bytes);
  Source source{bytes.data(), bytes.size(), 0};
  Failure failure;
  if (!decode(&source, static_cast<png_uint_32>(header.height), static_cast<png_uint_32>(header.width),
              rows.data(), &failure))
    damaged(file, failure.text.data());
}

Bytes encode_png(Index height, Index width, int channels, int bits, std::span<const std::byte> pixels) {
  const std::size_t row_bytes = usize(width) * static_cast<std::size_t>(channels * bits / 8);
  PETAVOX_ASSERT(height > 0 && width > 0 && pixels.size() == row_bytes * usize(height));
  PETAVOX_ASSERT((channels == 1 || channels == 3) && (bits == 8 || bits == 16));
  std::vector<png_bytep> rows(usize(height));
  // libpng does not write through these pointers, but its interface is older than const.
  auto* first = reinterpret_cast<png_bytep>(const_cast<std::byte*>(pixels.data()));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = first + i * row_bytes;
  Bytes out;
  Failure failure;
  if (!encode(&out, checked_cast<png_uint_32>(height), checked_cast<png_uint_32>(width),
              channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, bits, rows.data(), &failure))
    throw Error{ErrorCode::resource, std::string{"cannot encode an image of "} + std::to_string(height) +
                                         "x" + std::to_string(width) + " as PNG (" + failure.text.data() +
                                         "); make it smaller"};
  return out;
}

}  // namespace petavox::detail
