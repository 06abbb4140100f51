#pragma once
// The fixed records of results, as result indexes and snapshots store them: 512 to a page.

#include "petavox/io/pack.hpp"

#include <cstdint>
#include <span>

namespace petavox {

struct ResultRecord {
  Location location;
  std::uint32_t flags = 0;  ///< of the DoneRecord, with result_present; 0 in a
                            ///< record that is absent
  std::uint32_t check = 0;  ///< of the rest, keyed with the number of the record
};
static_assert(sizeof(ResultRecord) == 40, "stored as it is");

inline constexpr std::uint64_t results_per_page = 512;
inline constexpr std::uint64_t result_page_bytes = results_per_page * sizeof(ResultRecord);
inline constexpr std::uint32_t result_present = 0x80000000U;  ///< so that a hole reads as absent

std::uint32_t result_check(std::uint64_t number, const ResultRecord& record);
/// Present and as it was written.
bool is_sound(std::uint64_t number, const ResultRecord& record);

/// Pages that do not change.
class ResultPages {
 public:
  virtual ~ResultPages() = default;
  /// Fills `into` (results_per_page records). Throws CorruptObject if the page is damaged.
  virtual void read_page(std::uint64_t page, std::span<ResultRecord> into) const = 0;
};

}  // namespace petavox
