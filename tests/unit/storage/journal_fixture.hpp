#pragma once
// Journals to test with.

#include "petavox/io/journal.hpp"

#include "storage_fixture.hpp"

#include <string>
#include <vector>

namespace petavox::storage_test {

inline JournalHeader test_header() {
  JournalHeader header;
  header.plan = {1, 2};
  header.steps = {{3, 4}, {5, 6}};
  header.version = "0.1.0";
  return header;
}

inline DoneRecord test_done(std::int64_t index) {
  const auto n = static_cast<std::uint64_t>(index);
  return {{2, index},
          1,
          3,
          {1, 3, n * 100, 100, mix64(n)},
          {n, n * 2},
          5000 + n,
          index % 7 == 0 ? done_skipped : 0U,
          0};
}

/// Everything that a replay says, as lines.
struct Recorder : JournalVisitor {
  bool wanted = true;
  std::vector<std::string> lines;
  std::vector<DoneRecord> done_records;
  std::vector<JournalHeader> headers;

  static std::string of(const AttemptRecord& r) {
    return to_string(r.task) + " attempt " + std::to_string(r.attempt) + " worker " +
           std::to_string(r.worker);
  }
  bool generation(std::uint32_t g, const JournalHeader& header) override {
    lines.push_back("generation " + std::to_string(g));
    headers.push_back(header);
    return wanted;
  }
  void done(const DoneRecord& r, std::string_view reason) override {
    lines.push_back("done " + to_string(r.task) + " " + std::string{reason});
    done_records.push_back(r);
  }
  void failed(const AttemptRecord& r, std::string_view text) override {
    lines.push_back("failed " + of(r) + ": " + std::string{text});
  }
  void lost(const AttemptRecord& r) override { lines.push_back("lost " + of(r)); }
  void quarantined(TaskId task, std::string_view text) override {
    lines.push_back("quarantined " + to_string(task) + ": " + std::string{text});
  }
  void invalidated(TaskId task) override { lines.push_back("invalidated " + to_string(task)); }
  void collected(Stream stream) override {
    lines.push_back("collected " + std::to_string(stream.generation) + " " + std::to_string(stream.number));
  }
  void complete(std::string_view text) override { lines.push_back("complete " + std::string{text}); }
  void note(std::string_view text) override { lines.push_back("note " + std::string{text}); }
};

}  // namespace petavox::storage_test
