#include "petavox/run/rank_log.hpp"

#include "petavox/base/clock.hpp"
#include "petavox/base/units.hpp"
#include "petavox/io/process_identity.hpp"
#include "petavox/run/json_lines.hpp"
#include "petavox/run/run_record.hpp"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t max_log_bytes = std::uint64_t{256} << 20;

}  // namespace

struct RankLog::Writer {
  std::string name;
  LogLine line;  ///< what all lines have in common
  OutputRoot root;
  File file = {};
  std::uint64_t end = 0;
  bool given_up = false;

  void write(std::uint64_t unix_ns, const char* level, const std::string& text) {
    if (given_up) return;
    line.unix_ns = unix_ns;
    line.level = level;
    line.text = text;
    const std::string json = log_line_json(line) + "\n";
    try {
      if (!file.is_open()) {
        root.make_directories("logs");
        file = root.create_new(name);
      }
      file.write_all_at(bytes_of(json), end);
      end += json.size();
    } catch (const Error&) {
      given_up = true;
    }
  }
};

RankLog::RankLog(const OutputRoot& root, std::uint32_t generation, int rank) {
  const ProcessIdentity self = this_process();
  const std::string name = fmt::format("logs/{}.{}.jsonl", generation, rank);
  const auto writer = std::make_shared<Writer>(Writer{name, {0, generation, rank, self.host, "", ""}, root});
  if (!log::set_listener(
          [writer](const log::Line& l) { writer->write(l.unix_ns, log::name_of(l.level), l.text); }))
    return;
  writer_ = writer;
  writer->write(unix_time_ns(), "info", fmt::format("rank {} begins as process {}", rank, self.pid));
}

RankLog::~RankLog() {
  if (!writer_) return;
  log::set_listener(nullptr);
  writer_->write(unix_time_ns(), "info", fmt::format("rank {} ends", writer_->line.rank));
}

std::string log_line_json(const LogLine& line) {
  return Json{{"time", utc_text(line.unix_ns)},
              {"unix_ns", line.unix_ns},
              {"launch", line.generation},
              {"rank", line.rank},
              {"host", line.host},
              {"level", line.level},
              {"text", line.text}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<LogLine> read_logs(const OutputRoot& root) {
  std::vector<LogLine> lines;
  for (const std::string& name : root.list("logs")) {
    if (!name.ends_with(".jsonl")) continue;
    for_each_json_line(text_of(root.read_file("logs/" + name, max_log_bytes)), [&](const Json& json) {
      lines.push_back({json.at("unix_ns").get<std::uint64_t>(), json.at("launch").get<std::uint32_t>(),
                       json.at("rank").get<int>(), json.at("host").get<std::string>(),
                       json.at("level").get<std::string>(), json.at("text").get<std::string>()});
    });
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const LogLine& a, const LogLine& b) { return a.unix_ns < b.unix_ns; });
  return lines;
}

}  // namespace petavox
