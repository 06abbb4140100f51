#pragma once
// Which files make a stack, in which order, and what is missing between them. Internal to petavox/io.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace petavox::detail {

/// * stands for any text, ? for one character.
bool matches_pattern(const std::string& pattern, const std::string& name);

/// The image files (.png, .tif, .tiff) of a directory, or those that match the last part of a pattern;
/// natural order. Throws Error{io} if the directory cannot be read.
std::vector<std::filesystem::path> image_files(const std::filesystem::path& where);

/// Whether the last part of a path holds * or ?.
bool is_pattern(const std::filesystem::path& where);

/// The section numbers of names that differ in one run of digits only; empty if they differ in more.
std::vector<std::int64_t> section_numbers(const std::vector<std::string>& names);

/// "3-5, 9" for the numbers missing between consecutive entries of an increasing sequence; empty if there are
/// none.
std::string missing_numbers(const std::vector<std::int64_t>& numbers);

}  // namespace petavox::detail
