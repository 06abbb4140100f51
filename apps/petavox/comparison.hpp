#pragma once
// What was planned for a run beside what it took.

#include "apps/petavox/prediction.hpp"

#include <string>
#include <vector>

namespace petavox::app {

struct ComparisonRow {
  enum class Unit { bytes, seconds, count };
  std::string name;
  double planned = -1;  ///< negative: not known
  double actual = 0;
  Unit unit = Unit::bytes;

  std::string planned_text() const;
  std::string actual_text() const;
  std::string difference() const;  ///< "+3 %", of the actual from the planned
};

std::vector<ComparisonRow> compare(const OutputRoot& root, const Prediction& plan, const RunHistory& history);
/// "planned and actual: peak of a process 210 MB, 190 MB (-10 %); …"
std::string comparison_text(const std::vector<ComparisonRow>& rows);

}  // namespace petavox::app
