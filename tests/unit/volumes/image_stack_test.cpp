// Stacks of PNG and TIFF files.

#include "petavox/io/image_stack.hpp"

#include "scratch.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <thread>

#include <png.h>
#include <sys/stat.h>
#include <tiffio.h>

namespace petavox::test {
namespace {

const Box domain = Box::from({}, {5, 37, 53});

std::string wrong_voxel(const Volume& volume, const Box& box) {
  Array expected{volume.dtype(), box, volume.domain()};
  fill_pattern(expected);
  return first_difference(volume.read_box(box), expected);
}

// A TIFF image of the pattern's section z, made by libtiff in any way that it knows.
struct TiffKind {
  int bits = 8;
  int compression = COMPRESSION_NONE;
  bool tiled = false, big_endian = false, big_tiff = false, white_is_zero = false;
  int rows_per_strip = 5;
  int samples = 1;
};

void append_tiff(TIFF* tiff, const TiffKind& kind, Index z) {
  const auto height = static_cast<std::uint32_t>(domain.shape().y),
             width = static_cast<std::uint32_t>(domain.shape().x);
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, kind.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, kind.samples);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, kind.compression);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
               kind.samples == 3    ? PHOTOMETRIC_RGB
               : kind.white_is_zero ? PHOTOMETRIC_MINISWHITE
                                    : PHOTOMETRIC_MINISBLACK);
  if (kind.tiled) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 32);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, kind.rows_per_strip);
  }
  const std::size_t bytes = static_cast<std::size_t>(kind.bits / 8 * kind.samples);
  const auto put = [&](std::vector<std::uint8_t>& row, std::size_t at, Index y, Index x) {
    auto value = static_cast<std::uint16_t>(pattern(0, {z, y, x}));
    if (kind.white_is_zero) value = static_cast<std::uint16_t>(kind.bits == 8 ? 255 - value : 65535 - value);
    std::memcpy(row.data() + at * bytes, &value, kind.bits == 8 ? 1 : 2);
  };
  if (kind.tiled) {
    std::vector<std::uint8_t> tile(16 * 32 * bytes);
    for (std::uint32_t ty = 0; ty < height; ty += 32)
      for (std::uint32_t tx = 0; tx < width; tx += 16) {
        for (std::uint32_t y = ty; y < std::min(ty + 32, height); ++y)
          for (std::uint32_t x = tx; x < std::min(tx + 16, width); ++x)
            put(tile, (y - ty) * 16 + x - tx, y, x);
        ASSERT_GT(TIFFWriteTile(tiff, tile.data(), tx, ty, 0, 0), 0);
      }
    return;
  }
  std::vector<std::uint8_t> row(width * bytes);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) put(row, x, y, x);
    ASSERT_EQ(TIFFWriteScanline(tiff, row.data(), y, 0), 1);
  }
}

void write_tiff(const std::filesystem::path& file, const TiffKind& kind, Index z, Index pages = 1) {
  const std::string mode = std::string{"w"} + (kind.big_endian ? "b" : "l") + (kind.big_tiff ? "8" : "");
  TIFF* tiff = TIFFOpen(file.c_str(), mode.c_str());
  ASSERT_NE(tiff, nullptr);
  for (Index page = 0; page < pages; ++page) {
    append_tiff(tiff, kind, z + page);
    ASSERT_EQ(TIFFWriteDirectory(tiff), 1);
  }
  TIFFClose(tiff);
}

// A PNG image of zeros of any kind.
void write_plain_png(const std::filesystem::path& file, int color, int bits, bool interlaced,
                     const std::vector<std::vector<std::uint8_t>>& rows, std::uint32_t width) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out{std::fopen(file.c_str(), "wb"), std::fclose};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, out.get());
  png_set_IHDR(png, info, width, static_cast<png_uint_32>(rows.size()), bits, color,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_color palette[2] = {{0, 0, 0}, {255, 255, 255}};
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 2);
  std::vector<png_bytep> pointers;
  for (const auto& row : rows) pointers.push_back(const_cast<png_bytep>(row.data()));
  png_set_rows(png, info, pointers.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
}

TEST(ImageStack, reads_what_it_writes) {
  for (const DType type : {DType::u8, DType::u16})
    for (const ImageFormat format : {ImageFormat::png, ImageFormat::tiff}) {
      const Scratch scratch;
      const auto volume = pattern_volume(type, domain);
      write_image_stack(volume, domain, scratch.path(), "slice_", format);
      EXPECT_EQ(num_files(scratch.path()), 5U);
      const auto stack = open_image_stack(scratch.path());
      EXPECT_EQ(stack->domain(), domain);
      EXPECT_EQ(stack->dtype(), type);
      EXPECT_TRUE(stack->notes().empty());
      EXPECT_EQ(wrong_voxel(*stack, domain), "");
      EXPECT_EQ(wrong_voxel(*stack, {{1, 7, 11}, {4, 20, 52}}), "");
    }
}

TEST(ImageStack, keeps_all_16_bits) {
  const Scratch scratch;
  MemoryVolume volume{DType::u16, Box::from({}, {2, 300, 300})};
  std::mt19937 random{5};
  for (auto& v : volume.array().view<std::uint16_t>().channel()) v = static_cast<std::uint16_t>(random());
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::tiff}) {
    const auto directory = scratch / (format == ImageFormat::png ? "p" : "t");
    std::filesystem::create_directory(directory);
    write_image_stack(volume, volume.domain(), directory, "s", format);
    const auto stack = open_image_stack(directory);
    EXPECT_EQ(first_difference(stack->read_box(stack->domain()), volume.array()), "");
  }
}

TEST(ImageStack, reads_every_kind_of_tiff) {
  std::vector<TiffKind> kinds;
  for (const int bits : {8, 16})
    for (const int compression :
         {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS})
      for (const bool tiled : {false, true}) kinds.push_back({bits, compression, tiled});
  kinds.push_back({16, COMPRESSION_NONE, false, true});
  kinds.push_back({16, COMPRESSION_LZW, true, true});
  kinds.push_back({8, COMPRESSION_NONE, false, false, true});
  kinds.push_back({8, COMPRESSION_NONE, false, false, false, true});
  kinds.push_back({16, COMPRESSION_LZW, false, false, false, true});
  kinds.push_back({8, COMPRESSION_LZW, false, false, false, false, 37});
  kinds.push_back({8, COMPRESSION_LZW, false, false, false, false, 100});
  for (const TiffKind& kind : kinds) {
    SCOPED_TRACE(std::to_string(kind.bits) + " bits, compression " + std::to_string(kind.compression) +
                 (kind.tiled ? ", tiled" : "") + (kind.big_endian ? ", big-endian" : ""));
    const Scratch scratch;
    for (Index z = 0; z < 3; ++z) write_tiff(scratch / ("s" + std::to_string(z) + ".tif"), kind, z);
    const auto stack = open_image_stack(scratch.path());
    EXPECT_EQ(stack->dtype(), kind.bits == 8 ? DType::u8 : DType::u16);
    EXPECT_EQ(wrong_voxel(*stack, stack->domain()), "");
  }
}

TEST(ImageStack, reads_the_pages_of_one_file) {
  const Scratch scratch;
  write_tiff(scratch / "pages.tif", {16, COMPRESSION_LZW}, 0, 5);
  const auto stack = open_image_stack(scratch / "pages.tif");
  EXPECT_EQ(stack->domain(), domain);
  EXPECT_EQ(stack->sections()[3].page, 3);
  EXPECT_EQ(wrong_voxel(*stack, {{3, 1, 1}, {5, 30, 30}}), "");
  EXPECT_EQ(wrong_voxel(*stack, domain), "");
  EXPECT_ERROR(open_image_stack(scratch.path()), ErrorCode::config, "holds 5 pages");
}

TEST(ImageStack, reads_png_of_few_bits_and_interlaced) {
  const Scratch scratch;
  // 1 bit: two bytes of eight pixels.
  write_plain_png(scratch / "a1.png", PNG_COLOR_TYPE_GRAY, 1, false, {{0xa0, 0x01}}, 16);
  const auto bits = open_image_stack(scratch / "a1.png");
  const Array array = bits->read_box(bits->domain());
  const std::vector<int> expected{255, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255};
  for (Index x = 0; x < 16; ++x) {
    const Coord p{0, 0, x};
    EXPECT_EQ(array.view<std::uint8_t>()[p], expected[usize(x)]) << x;
  }
  std::vector<std::vector<std::uint8_t>> rows(37, std::vector<std::uint8_t>(53));
  for (Index y = 0; y < 37; ++y)
    for (Index x = 0; x < 53; ++x)
      rows[usize(y)][usize(x)] = static_cast<std::uint8_t>(pattern(0, {0, y, x}));
  write_plain_png(scratch / "i.png", PNG_COLOR_TYPE_GRAY, 8, true, rows, 53);
  const auto interlaced = open_image_stack(scratch / "i.png");
  EXPECT_EQ(wrong_voxel(*interlaced, interlaced->domain()), "");
}

TEST(ImageStack, sorts_naturally) {
  std::vector<std::string> names{"s10.png", "s2.png", "s1.png", "s02b.png", "r9.png", "s100.png", "s", "s2"};
  std::sort(names.begin(), names.end(), natural_less);
  EXPECT_EQ(names, (std::vector<std::string>{"r9.png", "s", "s1.png", "s2", "s2.png", "s02b.png", "s10.png",
                                             "s100.png"}));
  for (const auto& a : names) {
    EXPECT_FALSE(natural_less(a, a));
    for (const auto& b : names) EXPECT_FALSE(natural_less(a, b) && natural_less(b, a));
  }
  EXPECT_NE(natural_less("s01", "s1"), natural_less("s1", "s01"));

  const Scratch scratch;
  for (const Index z : {8, 9, 10, 11, 100})
    write_tiff(scratch / ("em" + std::to_string(z) + "_8nm.tif"), {}, z);
  ImageStackOptions options;
  options.gaps = GapPolicy::skip;
  const auto stack = open_image_stack(scratch.path(), options);
  ASSERT_EQ(stack->sections().size(), 5U);
  EXPECT_EQ(stack->sections()[2].file.filename(), "em10_8nm.tif");
  EXPECT_EQ(stack->sections()[4].file.filename(), "em100_8nm.tif");
}

TEST(ImageStack, handles_gaps) {
  const Scratch scratch;
  for (const Index z : {0, 1, 4}) write_tiff(scratch / ("s" + std::to_string(z + 7) + ".tif"), {}, z);
  EXPECT_ERROR(open_image_stack(scratch.path()), ErrorCode::config, "sections 9-10 are missing");
  ImageStackOptions options;
  options.gaps = GapPolicy::blank;
  const auto blank = open_image_stack(scratch.path(), options);
  ASSERT_EQ(blank->domain(), domain);
  EXPECT_EQ(blank->notes(), (std::vector<std::string>{"sections 9-10 are missing and read as 0"}));
  EXPECT_EQ(wrong_voxel(*blank, {{0, 0, 0}, {2, 37, 53}}), "");
  EXPECT_EQ(wrong_voxel(*blank, {{4, 0, 0}, {5, 37, 53}}), "");
  const Array missing = blank->read_box({{2, 0, 0}, {4, 37, 53}});
  for (const std::uint8_t v : missing.view<std::uint8_t>().channel()) ASSERT_EQ(v, 0);
  options.gaps = GapPolicy::skip;
  EXPECT_EQ(open_image_stack(scratch.path(), options)->domain().shape().z, 3);
  write_tiff(scratch / "s007.tif", {}, 0);
  EXPECT_ERROR(open_image_stack(scratch.path(), options), ErrorCode::config, "have the same number");
  std::filesystem::remove(scratch / "s007.tif");
  write_tiff(scratch / "s99999999999.tif", {}, 0);
  options.gaps = GapPolicy::blank;
  EXPECT_ERROR(open_image_stack(scratch.path(), options), ErrorCode::config, "more than can be blank");
}

TEST(ImageStack, takes_patterns) {
  const Scratch scratch;
  for (Index z = 0; z < 3; ++z) {
    write_tiff(scratch / ("em_" + std::to_string(z) + ".tif"), {}, z);
    write_tiff(scratch / ("mask_" + std::to_string(z) + ".tif"), {}, 0);
  }
  const auto stack = open_image_stack(scratch / "em_?.t*f");
  EXPECT_EQ(stack->domain().shape().z, 3);
  EXPECT_EQ(wrong_voxel(*stack, stack->domain()), "");
  EXPECT_TRUE(is_image_stack(scratch / "em_*.tif"));
  EXPECT_TRUE(is_image_stack(scratch / "em_0.tif"));
  EXPECT_TRUE(is_image_stack(scratch.path()));
  EXPECT_FALSE(is_image_stack(scratch / "absent"));
  EXPECT_ERROR(open_image_stack(scratch / "none_*.tif"), ErrorCode::io, "there is no image");
  EXPECT_ERROR(open_image_stack(scratch / "absent/*.tif"), ErrorCode::io, "absent");
  EXPECT_ERROR(open_image_stack(scratch / "absent.tif"), ErrorCode::config, "absent.tif");
}

TEST(ImageStack, reports_all_problems_at_once) {
  const Scratch scratch;
  write_tiff(scratch / "s0.tif", {}, 0);
  write_tiff(scratch / "s1.tif", {16}, 0);
  write_plain_png(scratch / "s2.png", PNG_COLOR_TYPE_GRAY, 8, false, {{1, 2, 3}}, 3);
  write_plain_png(scratch / "s3.png", PNG_COLOR_TYPE_RGB, 8, false, {{1, 2, 3}}, 1);
  write_plain_png(scratch / "s4.png", PNG_COLOR_TYPE_PALETTE, 1, false, {{0x80}}, 2);
  TiffKind colors;
  colors.samples = 3;
  write_tiff(scratch / "s5.tif", colors, 0);
  write_bytes(scratch / "s6.png", {'h', 'i'});
  ::mkfifo((scratch / "s7.png").c_str(), 0600);
  const auto error = error_of([&] { open_image_stack(scratch.path()); });
  ASSERT_TRUE(error);
  const std::string text = error->what();
  EXPECT_EQ(error->code(), ErrorCode::config);
  EXPECT_NE(text.find("7 problems"), std::string::npos) << text;
  for (const char* part :
       {"s1.tif is 37x53 of 16 bits, the first section 37x53 of 8 bits", "s2.png is 1x3 of 8 bits",
        "s3.png is not a gray image", "s4.png is not a gray image", "3 values a pixel",
        "s6.png is neither PNG nor TIFF nor JPEG", "s7.png (it is not a regular file)"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(ImageStack, bounds_sizes_before_allocation) {
  const Scratch scratch;
  write_plain_png(scratch / "a.png", PNG_COLOR_TYPE_GRAY, 8, false, {{1, 2, 3}}, 3);
  auto bytes = file_bytes(scratch / "a.png");
  for (std::size_t i = 16; i < 24; ++i) bytes[i] = static_cast<char>(0x7f);
  write_bytes(scratch / "a.png", bytes);
  EXPECT_ERROR(open_image_stack(scratch / "a.png"), ErrorCode::config, "2139062143x2139062143 pixels");
  ImageStackOptions options;
  options.max_pixels = 37 * 53 - 1;
  write_tiff(scratch / "b.tif", {}, 0);
  EXPECT_ERROR(open_image_stack(scratch / "b.tif", options), ErrorCode::config, "37x53 pixels");
}

TEST(ImageStack, survives_truncation_and_flips) {
  const Scratch scratch;
  const auto volume = pattern_volume(DType::u8, domain);
  write_image_stack(volume, {{0, 0, 0}, {1, 37, 53}}, scratch.path(), "p");
  write_tiff(scratch / "lzw.tif", {8, COMPRESSION_LZW}, 0);
  write_tiff(scratch / "tiled.tif", {16, COMPRESSION_ADOBE_DEFLATE, true}, 0);
  std::mt19937 random{11};
  for (const char* name : {"p0.png", "lzw.tif", "tiled.tif"}) {
    const auto bytes = file_bytes(scratch / name);
    const auto try_to_read = [&](const std::vector<char>& damaged) {
      write_bytes(scratch / "damaged", damaged);
      return error_of([&] {
        const auto stack = open_image_stack(scratch / "damaged", {.max_pixels = 1 << 20});
        stack->read_box(stack->domain());
      });
    };
    EXPECT_FALSE(try_to_read(bytes));
    for (std::size_t size = 0; size + 4 < bytes.size(); size += 16)
      EXPECT_TRUE(try_to_read({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}))
          << name << size;
    std::uniform_int_distribution<std::size_t> where{0, bytes.size() - 1};
    for (int i = 0; i < 300; ++i) {
      auto flipped = bytes;
      flipped[where(random)] ^= static_cast<char>(1 << (i % 8));
      const auto error = try_to_read(flipped);
      if (error) {
        EXPECT_TRUE(well_formed(error->what())) << error->what();
      }
    }
  }
}

TEST(ImageStack, may_be_read_by_many_threads) {
  const Scratch scratch;
  const auto volume = pattern_volume(DType::u16, domain);
  write_image_stack(volume, domain, scratch.path());
  const auto stack = open_image_stack(scratch.path(), {.cache_bytes = 0});
  std::vector<std::string> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10 && wrong[t].empty(); ++i) wrong[t] = wrong_voxel(*stack, domain);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& text : wrong) EXPECT_EQ(text, "");
}

TEST(Images, writes_color) {
  const Scratch scratch;
  const std::vector<std::uint8_t> pixels{255, 0, 0, 0, 255, 0};
  write_png(scratch / "c.png", 1, 2, 3, pixels);
  write_png(scratch / "c.png", 1, 2, 3, pixels);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, (scratch / "c.png").c_str()), 0);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> read(6);
  ASSERT_NE(png_image_finish_read(&image, nullptr, read.data(), 0, nullptr), 0);
  EXPECT_EQ(read, pixels);
  EXPECT_ERROR(write_png(scratch / "absent/c.png", 1, 2, 3, pixels), ErrorCode::io, "absent");
}

TEST(Images, refuses_what_images_cannot_hold) {
  const Scratch scratch;
  const MemoryVolume labels{DType::u64, domain};
  EXPECT_ERROR(write_image_stack(labels, domain, scratch.path()), ErrorCode::config, "uint8 or uint16");
  const MemoryVolume image{DType::u8, domain};
  EXPECT_ERROR(write_image_stack(image, {{0, 0, 0}, {9, 9, 9}}, scratch.path()), ErrorCode::config,
               "is not inside");
}

}  // namespace
}  // namespace petavox::test
