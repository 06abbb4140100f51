#pragma once
// Integers that cannot be mixed up: `using WorkerId = StrongId<struct WorkerIdTag>;`

#include <compare>
#include <cstdint>
#include <functional>

namespace petavox {

template <class Tag>
struct StrongId {
  std::int64_t value{-1};
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
};

}  // namespace petavox

template <class Tag>
struct std::hash<petavox::StrongId<Tag>> {
  std::size_t operator()(petavox::StrongId<Tag> id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};
