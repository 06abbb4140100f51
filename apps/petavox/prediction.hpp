#pragma once
// What was known of a run before it began: "prediction.json", written by `petavox run` from what `petavox
// plan` prints, read by `petavox report`.

#include "petavox/io/output_root.hpp"
#include "petavox/run/run_history.hpp"

#include <optional>
#include <string>
#include <vector>

namespace petavox::app {

struct PredictedStep {
  std::string name, kind;
  Index tasks = 0;
  double bytes_read = 0, bytes_written = 0;  ///< before compression
  double seconds = -1;                       ///< of work, all tasks together; negative: no costs were known
  double stored_bytes = -1;                  ///< of results; as before
  StepShape shape;
};

struct Prediction {
  std::vector<PredictedStep> steps;
  int ranks = 1, threads = 1;
  double files = 0;
  double worker_bytes = 0, base_bytes = 0;
  double seconds = -1;  ///< from begin to end; negative: no costs were known
};

/// Nothing if there is no such file or it is not what plan_json() makes.
std::optional<Prediction> read_prediction(const OutputRoot& root);

}  // namespace petavox::app
