#include "apps/petavox/prediction.hpp"

#include <charconv>

#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

constexpr std::uint64_t max_bytes = std::uint64_t{64} << 20;
constexpr Index max_grid = Index{1} << 21;

Hash128 parse_hash(const std::string& text) {
  Hash128 hash;
  const char* begin = text.data();
  if (text.size() != 32 || std::from_chars(begin, begin + 16, hash.high, 16).ptr != begin + 16 ||
      std::from_chars(begin + 16, begin + 32, hash.low, 16).ptr != begin + 32)
    throw Error{ErrorCode::io, "no hash"};
  return hash;
}

}  // namespace

std::optional<Prediction> read_prediction(const OutputRoot& root) {
  if (!root.exists("prediction.json")) return std::nullopt;
  const Bytes bytes = root.read_file("prediction.json", max_bytes);
  try {
    const auto json = nlohmann::json::parse(text_of(bytes));
    Prediction prediction;
    prediction.ranks = json.at("ranks").get<int>();
    prediction.threads = json.at("threads").get<int>();
    prediction.files = json.at("files").get<double>();
    prediction.worker_bytes = json.at("worker_bytes").get<double>();
    prediction.base_bytes = json.at("base_bytes").get<double>();
    prediction.seconds = json.value("seconds", -1.0);
    for (const auto& s : json.at("steps")) {
      PredictedStep step;
      step.name = s.at("name").get<std::string>();
      step.kind = s.at("kind").get<std::string>();
      step.tasks = s.at("tasks").get<Index>();
      step.bytes_read = s.at("bytes_read").get<double>();
      step.bytes_written = s.at("bytes_written").get<double>();
      step.seconds = s.value("seconds", -1.0);
      step.stored_bytes = s.value("stored_bytes", -1.0);
      step.shape.fingerprint = parse_hash(s.at("fingerprint").get<std::string>());
      for (int axis = 0; axis < 3; ++axis) {
        const auto n = s.at("grid").at(static_cast<std::size_t>(axis)).get<Index>();
        if (n < 0 || n > max_grid) return std::nullopt;
        step.shape.grid[axis] = n;
      }
      prediction.steps.push_back(std::move(step));
    }
    return prediction;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace petavox::app
