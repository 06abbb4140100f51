#pragma once
// report.html: a run at a glance, for people. One file without scripts or links, from what lies in the run
// directory: journals, prediction.json, manifest, reports. Its size is bounded whatever the number of tasks.

#include "petavox/io/output_root.hpp"
#include "petavox/run/run.hpp"

#include <string>

namespace petavox::app {

struct Report {
  std::string page;        ///< HTML
  std::string comparison;  ///< planned and actual, in one line
};
/// Throws Error{io} if the directory holds no prediction.json (it was run by an older petavox) or
/// its journals cannot be read.
Report make_report(const OutputRoot& root);

/// Draws a section of each final volume to "reports/pictures", as the page shows them, labels over the main
/// input; at most four. For a complete run.
void draw_report_pictures(const OutputRoot& root, const InputSet& inputs);

/// Both, to "report.html". Warns instead of throwing: a run does not fail for want of a report.
void write_report(const OutputRoot& root, const InputSet& inputs, bool complete);

}  // namespace petavox::app
