#pragma once
// A stack of images as a volume: a directory or a pattern of PNG or TIFF files, one section each, gray, 8 or
// 16 bits (or one TIFF file with a page for each section). Sections are ordered by the natural order of their
// names (s2 before s10); the number in a name, where all have one, is the section's number, and missing
// numbers are gaps. Promises: all files are checked when the stack is opened, and all that is wrong with them
// is reported at once; sizes are checked before allocation; pixels are decoded when they are needed. Thread
// safety: may be read from any thread.

#include "petavox/volume/volume.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace petavox {

enum class GapPolicy {
  refuse,  ///< an error that lists them
  blank,   ///< a missing section reads as 0
  skip,    ///< the sections that exist follow each other
};

struct ImageStackOptions {
  GapPolicy gaps = GapPolicy::refuse;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  std::size_t cache_bytes = std::size_t{256} << 20;  ///< decoded sections kept; at least one
  std::int64_t max_pixels = std::int64_t{1} << 31;   ///< an image above this is refused
};

class ImageStackVolume : public Volume {
 public:
  struct Section {
    std::filesystem::path file;  ///< empty for a blank one
    int page = 0;                ///< of a TIFF file
  };
  virtual const std::vector<Section>& sections() const = 0;
  /// Missing numbers and other oddities, one line each.
  virtual const std::vector<std::string>& notes() const = 0;
};

/// `where` is a directory, a TIFF or PNG file, or a path whose last part holds * or ?. Domain (0,0,0) to
/// (sections, height, width). Throws Error{io} or Error{config} with every problem found (at most 20 are
/// spelled out).
std::unique_ptr<ImageStackVolume> open_image_stack(const std::filesystem::path& where,
                                                   const ImageStackOptions& options = {});

/// Whether open_image_stack() is the reader for this: a directory, a pattern, or a file that starts as PNG or
/// TIFF do.
bool is_image_stack(const std::filesystem::path& where);

/// Names with digits compared as numbers: "s2" before "s10"; ties by the plain text.
bool natural_less(const std::string& a, const std::string& b);

/// 8 bit, `channels` 1 (gray) or 3 (RGB), rows from the top. Replaces an existing file atomically. Throws
/// Error{io}.
void write_png(const std::filesystem::path& file, Index height, Index width, int channels,
               std::span<const std::uint8_t> pixels);

enum class ImageFormat { png, tiff };
/// Writes one gray image for each section of `box`, "<prefix><z>.png" with z padded to equal width, into an
/// existing directory. uint8 and uint16 volumes of one channel; throws Error{config} for others.
void write_image_stack(const Volume& source, const Box& box, const std::filesystem::path& directory,
                       const std::string& prefix = "s", ImageFormat format = ImageFormat::png);

}  // namespace petavox
