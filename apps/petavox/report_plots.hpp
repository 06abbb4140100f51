#pragma once
// The plots of a report, each a whole HTML element; empty where there is nothing to show.

#include "apps/petavox/prediction.hpp"

#include <string>
#include <vector>

namespace petavox::app {

/// A step's colour class: steps of one stage share a colour.
std::vector<std::string> step_classes(const std::vector<PredictedStep>& steps);
/// What the colours mean.
std::string legend(const std::vector<PredictedStep>& steps, const std::vector<std::string>& classes);

/// A row for each worker (or group of workers), what it ran when.
std::string timeline_plot(const RunHistory& history, const std::vector<PredictedStep>& steps,
                          const std::vector<std::string>& classes);
/// Tasks finished a second, and how many workers were busy.
std::string throughput_plot(const RunHistory& history, std::size_t num_steps);
/// Stored bytes a second.
std::string output_plot(const RunHistory& history);
/// Largest process and bytes read and written over time.
std::string memory_plot(const RunHistory& history, double predicted_bytes);
std::string bytes_plot(const RunHistory& history);
/// Seconds of work over the volume, seen along z and along y.
std::string cost_maps(const RunHistory& history);
/// Seconds of each step beside what was predicted.
std::string step_bars(const RunHistory& history, const std::vector<PredictedStep>& steps,
                      const std::vector<std::string>& classes);

}  // namespace petavox::app
