#include "petavox/io/image_stack.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/io/chunk_cache.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/file.hpp"
#include "petavox/io/image_stack_files.hpp"
#include "petavox/io/image_stack_names.hpp"
#include "petavox/io/output_root.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox {
namespace detail {

int open_regular(const std::filesystem::path& file) {
  // Opening a pipe would wait for a writer for ever, hence O_NONBLOCK.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) throw system_error("open", file.string(), errno);
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) return descriptor;
  ::close(descriptor);
  throw Error{ErrorCode::io,
              "cannot open " + file.string() + " (it is not a regular file); give the path of an image"};
}

void check_pixels(const std::filesystem::path& file, std::uint64_t height, std::uint64_t width,
                  std::int64_t max_pixels) {
  if (height == 0 || width == 0)
    throw Error{ErrorCode::config,
                file.string() + " has no pixels (a section cannot be empty); check how it was made"};
  if (height > static_cast<std::uint64_t>(max_pixels) / width)
    throw Error{ErrorCode::config, file.string() + " claims " + std::to_string(height) + "x" +
                                       std::to_string(width) + " pixels (more than " +
                                       std::to_string(max_pixels) + " are not decoded); cut it into tiles"};
}

ImageKind image_kind(const std::filesystem::path& file) {
  const File opened{open_regular(file), file.string()};
  std::array<std::byte, 8> raw{};
  const std::size_t got = opened.read_at(raw, 0);
  const std::string_view text{reinterpret_cast<const char*>(raw.data()), got};
  using namespace std::string_view_literals;
  if (text == "\x89PNG\r\n\x1a\n"sv) return ImageKind::png;
  for (const auto magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (text.starts_with(magic)) return ImageKind::tiff;
  if (text.starts_with("\xff\xd8\xff"sv)) return ImageKind::jpeg;
  return ImageKind::neither;
}

std::vector<ImageHeader> read_image_headers(const std::filesystem::path& file, std::int64_t max_pixels) {
  switch (image_kind(file)) {
    case ImageKind::png:
      return read_png_headers(file, max_pixels);
    case ImageKind::tiff:
      return read_tiff_headers(file, max_pixels);
    case ImageKind::jpeg:
      return read_jpeg_headers(file, max_pixels);
    case ImageKind::neither:
      break;
  }
  throw Error{ErrorCode::io,
              file.string() +
                  " is neither PNG nor TIFF nor JPEG (its first bytes are of another format); convert it"};
}

void decode_image(const std::filesystem::path& file, const ImageHeader& header, std::span<std::byte> pixels) {
  if (header.kind == ImageKind::jpeg)
    decode_jpeg(file, header, pixels);
  else if (header.offset == 0)  // where a TIFF file has its header, hence never a page
    decode_png(file, header, pixels);
  else
    decode_tiff(file, header, pixels);
}

}  // namespace detail

namespace {

using detail::ImageHeader;

class Problems {
 public:
  void add(const std::string& text) {
    constexpr std::size_t shown = 20;
    if (++count_ <= shown) text_ += "\n  " + text;
  }
  // One Error with all of them.
  void report(const std::filesystem::path& where) const {
    if (count_ == 0) return;
    std::string text = "cannot use the image stack " + where.string() + " (" + std::to_string(count_) +
                       (count_ == 1 ? " problem" : " problems") + "); correct:" + text_;
    if (text_lines() < count_) text += "\n  and " + std::to_string(count_ - text_lines()) + " more";
    throw Error{ErrorCode::config, text};
  }

 private:
  std::size_t text_lines() const { return std::min<std::size_t>(count_, 20); }
  std::size_t count_ = 0;
  std::string text_;
};

class Stack final : public ImageStackVolume {
 public:
  Stack(std::vector<Section> sections, std::vector<ImageHeader> headers, const ImageHeader& shape,
        std::vector<std::string> notes, const ImageStackOptions& options)
      : sections_{std::move(sections)},
        headers_{std::move(headers)},
        shape_{shape},
        notes_{std::move(notes)},
        voxel_size_{options.voxel_size_nm},
        cache_{std::max(options.cache_bytes, shape.size_bytes())} {}

  Box domain() const override {
    return Box::from({}, {static_cast<Index>(sections_.size()), shape_.height, shape_.width});
  }
  DType dtype() const override { return shape_.bits == 16 ? DType::u16 : DType::u8; }
  VoxelSizeNm voxel_size_nm() const override { return voxel_size_; }
  const std::vector<Section>& sections() const override { return sections_; }
  const std::vector<std::string>& notes() const override { return notes_; }

  void read(Array& into) const override {
    check_read(into, dtype(), 1, domain(), "the image stack");
    if (into.box().empty()) return;
    const std::array<std::byte, 2> black{};
    for (Index z = into.box().begin.z; z < into.box().end.z; ++z) {
      Box layer = into.box();
      layer.begin.z = z;
      layer.end.z = z + 1;
      if (sections_[usize(z)].file.empty()) {
        fill_box(into, 0, layer, std::span{black}.first(size_of(dtype())));
        continue;
      }
      const Box whole{{z, 0, 0}, {z + 1, shape_.height, shape_.width}};
      copy_from_chunk(*decoded(z), whole, into, 0, layer);
    }
  }

 private:
  std::shared_ptr<const Bytes> decoded(Index z) const {
    ChunkKey key;
    key.chunk = static_cast<std::uint64_t>(z);
    if (auto found = cache_.find(key)) return found;
    auto pixels = std::make_shared<Bytes>(shape_.size_bytes());
    detail::decode_image(sections_[usize(z)].file, headers_[usize(z)], *pixels);
    cache_.insert(key, pixels);
    return pixels;
  }

  std::vector<Section> sections_;
  std::vector<ImageHeader> headers_;
  ImageHeader shape_;
  std::vector<std::string> notes_;
  VoxelSizeNm voxel_size_;
  mutable ChunkCache cache_;
};

std::string shape_text(const ImageHeader& h) {
  return std::to_string(h.height) + "x" + std::to_string(h.width) + " of " + std::to_string(h.bits) + " bits";
}

// Sections and their headers while a stack is put together.
struct Draft {
  std::vector<ImageStackVolume::Section> sections;
  std::vector<ImageHeader> headers;
  std::optional<ImageHeader> shape;
  std::vector<std::string> notes;

  void add(const std::filesystem::path& file, int page, const ImageHeader& header, Problems& problems) {
    if (!shape) shape = header;
    if (header.height != shape->height || header.width != shape->width || header.bits != shape->bits)
      problems.add(file.string() + (page > 0 ? " page " + std::to_string(page + 1) : "") + " is " +
                   shape_text(header) + ", the first section " + shape_text(*shape));
    sections.push_back({file, page});
    headers.push_back(header);
  }
};

void add_pages(const std::filesystem::path& file, const ImageStackOptions& options, Draft& draft,
               Problems& problems) {
  try {
    const auto pages = detail::read_image_headers(file, options.max_pixels);
    for (std::size_t i = 0; i < pages.size(); ++i) draft.add(file, static_cast<int>(i), pages[i], problems);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::resource) throw;
    problems.add(error.what());
  }
}

void add_section(const std::filesystem::path& file, const ImageStackOptions& options, Draft& draft,
                 Problems& problems) {
  try {
    const auto pages = detail::read_image_headers(file, options.max_pixels);
    if (pages.size() != 1) {
      problems.add(file.string() + " holds " + std::to_string(pages.size()) +
                   " pages (a section is one image); split it, or give it alone");
      return;
    }
    draft.add(file, 0, pages.front(), problems);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::resource) throw;
    problems.add(error.what());
  }
}

// Finds gaps and, if asked, puts blank sections into them.
void handle_gaps(const ImageStackOptions& options, Draft& draft, Problems& problems) {
  constexpr std::int64_t most_sections = 10'000'000;
  std::vector<std::string> names;
  for (const auto& section : draft.sections) names.push_back(section.file.filename().string());
  const auto numbers = detail::section_numbers(names);
  if (numbers.empty()) {
    if (names.size() > 1)
      draft.notes.push_back("the names differ in more than one number: gaps cannot be seen");
    return;
  }
  for (std::size_t i = 1; i < numbers.size(); ++i)
    if (numbers[i] == numbers[i - 1])
      problems.add(names[i - 1] + " and " + names[i] + " have the same number");
  const std::string missing = detail::missing_numbers(numbers);
  if (missing.empty()) return;
  switch (options.gaps) {
    case GapPolicy::refuse:
      problems.add("sections " + missing + " are missing; add them, or choose blank or skip for gaps");
      return;
    case GapPolicy::skip:
      draft.notes.push_back("sections " + missing + " are missing and skipped");
      return;
    case GapPolicy::blank:
      break;
  }
  if (numbers.back() - numbers.front() >= most_sections) {
    problems.add("sections " + missing +
                 " are missing, more than can be blank; rename the files or choose skip");
    return;
  }
  draft.notes.push_back("sections " + missing + " are missing and read as 0");
  const auto total = static_cast<std::size_t>(numbers.back() - numbers.front() + 1);
  std::vector<ImageStackVolume::Section> sections(total);
  std::vector<ImageHeader> headers(total);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto at = static_cast<std::size_t>(numbers[i] - numbers.front());
    sections[at] = draft.sections[i];
    headers[at] = draft.headers[i];
  }
  draft.sections = std::move(sections);
  draft.headers = std::move(headers);
}

}  // namespace

std::unique_ptr<ImageStackVolume> open_image_stack(const std::filesystem::path& where,
                                                   const ImageStackOptions& options) {
  Problems problems;
  Draft draft;
  std::error_code error;
  const bool directory = std::filesystem::is_directory(where, error);
  if (directory || detail::is_pattern(where)) {
    const auto files = detail::image_files(where);
    if (files.empty())
      throw Error{ErrorCode::io,
                  "there is no image in " + where.string() +
                      " (a stack has one PNG, TIFF or JPEG file for each section); check the path"};
    for (const auto& file : files) add_section(file, options, draft, problems);
    // Which numbers are missing is known only once every file is a section.
    if (draft.sections.size() == files.size()) handle_gaps(options, draft, problems);
  } else {
    add_pages(where, options, draft, problems);
  }
  problems.report(where);
  const ImageHeader shape = *draft.shape;
  return std::make_unique<Stack>(std::move(draft.sections), std::move(draft.headers), shape,
                                 std::move(draft.notes), options);
}

bool is_image_stack(const std::filesystem::path& where) {
  std::error_code error;
  if (detail::is_pattern(where) || std::filesystem::is_directory(where, error)) return true;
  try {
    return detail::image_kind(where) != detail::ImageKind::neither;
  } catch (const Error&) {
    return false;
  }
}

void write_png(const std::filesystem::path& file, Index height, Index width, int channels,
               std::span<const std::uint8_t> pixels) {
  const Bytes bytes = detail::encode_png(height, width, channels, 8, std::as_bytes(pixels));
  const auto parent = file.parent_path();
  OutputRoot::open(parent.empty() ? "." : parent.string())
      .atomically_replace(file.filename().string(), bytes);
}

void write_image_stack(const Volume& source, const Box& box, const std::filesystem::path& directory,
                       const std::string& prefix, ImageFormat format) {
  const int bits = source.dtype() == DType::u8 ? 8 : 16;
  if ((source.dtype() != DType::u8 && source.dtype() != DType::u16) || source.channels() != 1)
    throw Error{ErrorCode::config,
                std::string{"a volume of "} + std::to_string(source.channels()) + " x " +
                    name_of(source.dtype()) +
                    " cannot be written as images (they hold one uint8 or uint16 a pixel); choose "
                    "another volume or format"};
  if (box.empty() || !source.domain().contains(box))
    throw Error{ErrorCode::config, "box " + to_string(box) + " is not inside " + to_string(source.domain()) +
                                       " (there is nothing to write); correct it"};
  const OutputRoot root = OutputRoot::open(directory.string());
  const Extent shape = box.shape();
  const std::size_t digits = std::to_string(std::max(std::abs(box.begin.z), std::abs(box.end.z - 1))).size();
  for (Index z = box.begin.z; z < box.end.z; ++z) {
    const Array layer = source.read_box({{z, box.begin.y, box.begin.x}, {z + 1, box.end.y, box.end.x}});
    std::string number = std::to_string(std::abs(z));
    number = (z < 0 ? "-" : "") + std::string(digits - number.size(), '0') + number;
    const bool png = format == ImageFormat::png;
    root.atomically_replace(prefix + number + (png ? ".png" : ".tif"),
                            png ? detail::encode_png(shape.y, shape.x, 1, bits, layer.bytes())
                                : detail::encode_tiff(shape.y, shape.x, bits, layer.bytes()));
  }
}

}  // namespace petavox
