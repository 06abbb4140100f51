// TIFF by libtiff: strips and tiles, every compression that it knows.

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/io/file.hpp"
#include "petavox/io/image_stack_files.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include <tiffio.h>
#include <unistd.h>

namespace petavox::detail {
namespace {

// What the library may allocate at once: strips and tiles of hostile files claim anything.
constexpr tmsize_t most_allocated = tmsize_t{1} << 31;
constexpr std::size_t most_pages = 1'000'000;

int keep_error(TIFF*, void* data, const char*, const char* format, va_list arguments) {
  auto* text = static_cast<std::string*>(data);
  if (!text->empty()) return 1;
  std::array<char, 200> buffer{};
  std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  *text = buffer.data();
  return 1;
}
int ignore_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
struct FreeOptions {
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};

class Tiff {
 public:
  explicit Tiff(const std::filesystem::path& file) : file_{file} {
    const std::unique_ptr<TIFFOpenOptions, FreeOptions> options{TIFFOpenOptionsAlloc()};
    if (!options) fail();
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), most_allocated);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_error, &error_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
    const int descriptor = open_regular(file);
    // "m": not mapped, since a file that is cut meanwhile would then end the process.
    tiff_.reset(TIFFFdOpenExt(descriptor, file.c_str(), "rm", options.get()));
    if (!tiff_) {
      ::close(descriptor);
      fail();
    }
  }
  Tiff(const Tiff&) = delete;
  Tiff& operator=(const Tiff&) = delete;

  TIFF* get() const { return tiff_.get(); }
  [[noreturn]] void fail(const std::string& why = {}) const {
    const std::string reason = !why.empty() ? why : error_.empty() ? "libtiff gives no reason" : error_;
    throw Error{ErrorCode::io, "cannot read the image " + file_.string() + " (" + reason +
                                   "); the file may be damaged: get a fresh copy"};
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error{ErrorCode::config, file_.string() + " is not a gray image of 8 or 16 bits (" + what +
                                       "; a section has one unsigned value a pixel); convert it"};
  }

  ImageHeader header(std::int64_t max_pixels) const {
    std::uint32_t width = 0, height = 0;
    if (TIFFGetField(get(), TIFFTAG_IMAGEWIDTH, &width) == 0 ||
        TIFFGetField(get(), TIFFTAG_IMAGELENGTH, &height) == 0)
      fail("its size is missing");
    const auto bits = value(TIFFTAG_BITSPERSAMPLE), samples = value(TIFFTAG_SAMPLESPERPIXEL);
    if (samples != 1) refuse(std::to_string(samples) + " values a pixel");
    if (bits != 8 && bits != 16) refuse(std::to_string(bits) + " bits");
    if (value(TIFFTAG_SAMPLEFORMAT) != SAMPLEFORMAT_UINT) refuse("signed or floating");
    if (photometric() != PHOTOMETRIC_MINISBLACK && photometric() != PHOTOMETRIC_MINISWHITE) refuse("colours");
    check_pixels(file_, height, width, max_pixels);
    return {static_cast<Index>(height), static_cast<Index>(width), bits, TIFFCurrentDirOffset(get())};
  }

  int photometric() const {
    std::uint16_t kind = PHOTOMETRIC_MINISBLACK;
    TIFFGetField(get(), TIFFTAG_PHOTOMETRIC, &kind);
    return kind;
  }

  void read_strips(const ImageHeader& header, std::span<std::byte> pixels) const {
    const std::size_t row_bytes = header.size_bytes() / usize(header.height);
    if (TIFFScanlineSize64(get()) != row_bytes) fail("its rows have another length than its header says");
    std::uint32_t rows = 0;
    TIFFGetFieldDefaulted(get(), TIFFTAG_ROWSPERSTRIP, &rows);
    if (rows == 0) fail("its strips have no rows");
    const std::uint32_t strips = TIFFNumberOfStrips(get());
    for (std::uint32_t strip = 0; strip < strips; ++strip) {
      const std::size_t first = std::size_t{strip} * rows;
      if (first >= usize(header.height)) break;
      const std::size_t bytes = std::min<std::size_t>(rows, usize(header.height) - first) * row_bytes;
      const tmsize_t got =
          TIFFReadEncodedStrip(get(), strip, pixels.data() + first * row_bytes, static_cast<tmsize_t>(bytes));
      if (got != static_cast<tmsize_t>(bytes)) fail();
    }
    if (std::size_t{strips} * rows < usize(header.height)) fail("strips are missing");
  }

  void read_tiles(const ImageHeader& header, std::span<std::byte> pixels) const {
    std::uint32_t width = 0, height = 0;
    TIFFGetField(get(), TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(get(), TIFFTAG_TILELENGTH, &height);
    const auto pixel = static_cast<std::size_t>(header.bits / 8);
    const std::size_t row_bytes = header.size_bytes() / usize(header.height);
    const std::uint64_t tile_bytes = TIFFTileSize64(get());
    if (width == 0 || height == 0 || tile_bytes != std::uint64_t{width} * height * pixel ||
        tile_bytes > static_cast<std::uint64_t>(most_allocated))
      fail("its tiles cannot be");
    Bytes tile(tile_bytes);
    for (std::size_t y = 0; y < usize(header.height); y += height)
      for (std::size_t x = 0; x < usize(header.width); x += width) {
        if (TIFFReadTile(get(), tile.data(), static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y), 0,
                         0) != static_cast<tmsize_t>(tile_bytes))
          fail();
        const std::size_t rows = std::min<std::size_t>(height, usize(header.height) - y);
        const std::size_t bytes = std::min<std::size_t>(width, usize(header.width) - x) * pixel;
        for (std::size_t row = 0; row < rows; ++row)
          std::memcpy(pixels.data() + (y + row) * row_bytes + x * pixel, tile.data() + row * width * pixel,
                      bytes);
      }
  }

 private:
  int value(std::uint32_t tag) const {
    std::uint16_t v = 0;
    TIFFGetFieldDefaulted(get(), tag, &v);
    return v;
  }

  std::filesystem::path file_;
  std::string error_;  // before tiff_: the handler writes to it until the file is closed
  std::unique_ptr<TIFF, CloseTiff> tiff_;
};

}  // namespace

std::vector<ImageHeader> read_tiff_headers(const std::filesystem::path& file, std::int64_t max_pixels) {
  const Tiff tiff{file};
  std::vector<ImageHeader> headers;
  do {
    if (headers.size() >= most_pages) tiff.fail("it has more than " + std::to_string(most_pages) + " pages");
    headers.push_back(tiff.header(max_pixels));
    if (TIFFLastDirectory(tiff.get()) != 0) return headers;
  } while (TIFFReadDirectory(tiff.get()) != 0);
  tiff.fail();
}

void decode_tiff(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels) {
  const Tiff tiff{file};
  if (TIFFSetSubDirectory(tiff.get(), header.offset) == 0) tiff.fail();
  const ImageHeader now = tiff.header(std::numeric_limits<std::int64_t>::max());
  if (now.height != header.height || now.width != header.width || now.bits != header.bits)
    tiff.fail("its header has changed");
  if (TIFFIsTiled(tiff.get()) != 0)
    tiff.read_tiles(header, pixels);
  else
    tiff.read_strips(header, pixels);
  if (tiff.photometric() == PHOTOMETRIC_MINISWHITE)
    std::transform(pixels.begin(), pixels.end(), pixels.begin(), [](std::byte b) { return ~b; });
}

Bytes encode_tiff(Index height, Index width, int bits, std::span<const std::byte> pixels) {
  PETAVOX_ASSERT(height > 0 && width > 0 && (bits == 8 || bits == 16));
  PETAVOX_ASSERT(pixels.size() == usize(height) * usize(width) * static_cast<std::size_t>(bits / 8));
  // An uncompressed gray image of one strip, little-endian: a header, the pixels, then one directory.
  struct Entry {
    std::uint16_t tag, type;
    std::uint32_t count, value;
  };
  constexpr std::uint16_t short_type = 3, long_type = 4;
  constexpr std::uint32_t header_bytes = 8;
  const std::uint64_t directory = header_bytes + pixels.size() + pixels.size() % 2;
  const auto directory_offset = checked_cast<std::uint32_t>(directory);
  const auto number = [](Index n) { return checked_cast<std::uint32_t>(n); };
  const auto entries = std::to_array<Entry>({
      {TIFFTAG_IMAGEWIDTH, long_type, 1, number(width)},
      {TIFFTAG_IMAGELENGTH, long_type, 1, number(height)},
      {TIFFTAG_BITSPERSAMPLE, short_type, 1, static_cast<std::uint32_t>(bits)},
      {TIFFTAG_COMPRESSION, short_type, 1, COMPRESSION_NONE},
      {TIFFTAG_PHOTOMETRIC, short_type, 1, PHOTOMETRIC_MINISBLACK},
      {TIFFTAG_STRIPOFFSETS, long_type, 1, header_bytes},
      {TIFFTAG_SAMPLESPERPIXEL, short_type, 1, 1},
      {TIFFTAG_ROWSPERSTRIP, long_type, 1, number(height)},
      {TIFFTAG_STRIPBYTECOUNTS, long_type, 1, static_cast<std::uint32_t>(pixels.size())},
  });
  ByteWriter out;
  out.append("II*\0", 4);
  out.put(directory_offset);
  out.append(pixels.data(), pixels.size());
  if (pixels.size() % 2 != 0) out.put(std::uint8_t{0});
  out.put(static_cast<std::uint16_t>(entries.size()));
  for (const Entry& entry : entries) {
    out.put(entry.tag);
    out.put(entry.type);
    out.put(entry.count);
    out.put(entry.value);
  }
  out.put(std::uint32_t{0});
  return out.take();
}

}  // namespace petavox::detail
