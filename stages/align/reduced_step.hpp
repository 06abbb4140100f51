#pragma once
// Whole sections at a coarser level: the first step of all stages that look for something in them.

#include "stages/align/step_ports.hpp"

#include <functional>

namespace petavox::align {

struct ReducedSettings {
  std::string port;                               ///< that is written; its channels: level.hpp
  std::function<Index(const Box& domain)> level;  ///< pixels of the sections to one of it, along a side
  double background = 0;                          ///< pixels of this value hold nothing; negative: all do
  bool takes_excluded = true;                     ///< an optional mask of what holds nothing either
};
/// `input` [, `excluded`] -> settings.port.
std::unique_ptr<Stage> reduced_step(ReducedSettings settings);

}  // namespace petavox::align
