#pragma once
// What host and helper say while a stage works on a block: requests for inputs, and the outputs.

#include "petavox/isolation/wire.hpp"

namespace petavox::isolation {

enum class Ask : std::uint32_t { has, readable, image, labels, label_table, table, summary, window, mask };
inline constexpr std::uint32_t num_asks = 9;

/// An output that the stage must fill, as the host has it.
struct OutputShape {
  PortKind kind = PortKind::image;
  std::string port;
  ArrayShape shape;             ///< of images and labels
  std::vector<Column> columns;  ///< of tables
};

}  // namespace petavox::isolation
