#pragma once
// Single images: headers first, pixels later. Internal to petavox/io.
// Thread safety: all functions may be called from any thread.

#include "petavox/base/bytes.hpp"
#include "petavox/geometry/coord.hpp"

#include <filesystem>
#include <span>
#include <vector>

namespace petavox::detail {

enum class ImageKind { png, tiff, jpeg, neither };

struct ImageHeader {
  Index height = 0, width = 0;
  int bits = 8;              ///< as read: 8 or 16
  std::uint64_t offset = 0;  ///< of a TIFF page
  ImageKind kind = ImageKind::png;
  std::size_t size_bytes() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
           static_cast<std::size_t>(bits / 8);
  }
};

/// By the first bytes. Throws Error{io} if the file cannot be read or is no regular file.
ImageKind image_kind(const std::filesystem::path& file);

/// One header for a PNG or JPEG file, one for each page of a TIFF file. Throws Error{io} for a damaged file,
/// Error{config} for images that are not gray of 8 or 16 bits (PNG: or fewer; JPEG: or YCbCr, of which the
/// brightness is read) or that have more than `max_pixels`.
std::vector<ImageHeader> read_image_headers(const std::filesystem::path& file, std::int64_t max_pixels);

/// Decodes into `pixels`, header.size_bytes() of them: rows from the top, 16 bits in native order, 0 is
/// black. Throws Error{io}.
void decode_image(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels);

// By format; the file is known to be of it.
std::vector<ImageHeader> read_png_headers(const std::filesystem::path& file, std::int64_t max_pixels);
void decode_png(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels);
std::vector<ImageHeader> read_tiff_headers(const std::filesystem::path& file, std::int64_t max_pixels);
void decode_tiff(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels);
std::vector<ImageHeader> read_jpeg_headers(const std::filesystem::path& file, std::int64_t max_pixels);
void decode_jpeg(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels);

/// The bytes of a PNG or TIFF file. `bits` 8 or 16; `channels` 1 or 3 (PNG, 8 bits). Throws Error{internal}
/// for others.
Bytes encode_png(Index height, Index width, int channels, int bits, std::span<const std::byte> pixels);
Bytes encode_tiff(Index height, Index width, int bits, std::span<const std::byte> pixels);

/// A regular file opened for reading, never waiting (a pipe is refused). Throws Error{io}. The caller closes
/// it.
int open_regular(const std::filesystem::path& file);

/// Throws Error{config} unless both lengths are positive and the image has at most `max_pixels`.
void check_pixels(const std::filesystem::path& file, std::uint64_t height, std::uint64_t width,
                  std::int64_t max_pixels);

}  // namespace petavox::detail
