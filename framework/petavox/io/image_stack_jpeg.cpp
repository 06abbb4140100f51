// JPEG by libjpeg. Its errors come by longjmp: the functions that call it hold nothing that needs a
// destructor.

#include "petavox/base/checked.hpp"
#include "petavox/io/file.hpp"
#include "petavox/io/image_stack_files.hpp"

#include <array>
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

namespace petavox::detail {
namespace {

struct Failure {
  jpeg_error_mgr manager;  // first: libjpeg hands out a pointer to it
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> text{};
};

void on_error(j_common_ptr info) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->text.data());
  std::longjmp(failure->jump, 1);
}
// A warning means that bytes were missing or wrong: what would be decoded is not what was written.
void on_message(j_common_ptr info, int level) {
  if (level < 0) on_error(info);
}

/// Reads the header, and the pixels if `pixels` is not null. False with the reason in `failure`.
bool decode(const unsigned char* data, unsigned long size, JSAMPLE* pixels, Index* height, Index* width,
            int* components, Failure* failure) {
  jpeg_decompress_struct jpeg{};
  jpeg.err = jpeg_std_error(&failure->manager);
  failure->manager.error_exit = on_error;
  failure->manager.emit_message = on_message;
  if (setjmp(failure->jump) != 0) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg.mem->max_memory_to_use = 1L << 30;
  jpeg_mem_src(&jpeg, data, size);
  jpeg_read_header(&jpeg, TRUE);
  *height = static_cast<Index>(jpeg.image_height);
  *width = static_cast<Index>(jpeg.image_width);
  *components = jpeg.jpeg_color_space == JCS_GRAYSCALE || jpeg.jpeg_color_space == JCS_YCbCr ? 1 : 3;
  if (pixels != nullptr) {
    jpeg.out_color_space = JCS_GRAYSCALE;  // of a YCbCr image: its brightness
    jpeg.dct_method = JDCT_ISLOW;          // exact integers
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
      JSAMPROW row = pixels + std::size_t{jpeg.output_scanline} * jpeg.output_width;
      jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
  }
  jpeg_destroy_decompress(&jpeg);
  return true;
}

[[noreturn]] void damaged(const std::filesystem::path& file, const char* why) {
  throw Error{ErrorCode::io, "cannot read the image " + file.string() + " (" + why +
                                 "); the file may be damaged: get a fresh copy"};
}

constexpr std::uint64_t max_file_bytes = std::uint64_t{1} << 32;

Bytes content_of(const std::filesystem::path& file, std::uint64_t most) {
  const File opened{open_regular(file), file.string()};
  if (opened.size_bytes() > max_file_bytes) damaged(file, "it is larger than 4 GiB");
  Bytes bytes(checked_cast<std::size_t>(std::min(opened.size_bytes(), most)));
  opened.read_exact_at(bytes, 0);
  return bytes;
}

const unsigned char* chars(const Bytes& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

std::vector<ImageHeader> read_jpeg_headers(const std::filesystem::path& file, std::int64_t max_pixels) {
  // Tables and comments precede the size; where they are unusually long the whole file is read.
  ImageHeader header;
  header.kind = ImageKind::jpeg;
  int components = 0;
  for (const std::uint64_t most : {std::uint64_t{1} << 16, max_file_bytes}) {
    const Bytes bytes = content_of(file, most);
    Failure failure{};
    if (decode(chars(bytes), bytes.size(), nullptr, &header.height, &header.width, &components, &failure))
      break;
    if (most == max_file_bytes || bytes.size() < most) damaged(file, failure.text.data());
  }
  if (components != 1)
    throw Error{ErrorCode::config, file.string() +
                                       " is neither gray nor YCbCr (a section has one value a "
                                       "pixel); convert it to gray"};
  check_pixels(file, static_cast<std::uint64_t>(header.height), static_cast<std::uint64_t>(header.width),
               max_pixels);
  return {header};
}

void decode_jpeg(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels) {
  const Bytes bytes = content_of(file, max_file_bytes);
  Failure failure{};
  Index height = 0, width = 0;
  int components = 0;
  // The header first: the pixels are only as many as it said before.
  if (!decode(chars(bytes), bytes.size(), nullptr, &height, &width, &components, &failure))
    damaged(file, failure.text.data());
  if (height != header.height || width != header.width) damaged(file, "its header has changed");
  if (!decode(chars(bytes), bytes.size(), reinterpret_cast<JSAMPLE*>(pixels.data()), &height, &width,
              &components, &failure))
    damaged(file, failure.text.data());
}

}  // namespace petavox::detail
