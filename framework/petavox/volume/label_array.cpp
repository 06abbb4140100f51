#include "petavox/volume/label_array.hpp"

#include "petavox/volume/huge_pages.hpp"

#include <limits>
#include <unordered_map>

namespace petavox {

Array expanded(const LabelArray& labels) {
  Array out{DType::u64, labels.ids.box(), labels.ids.domain(), 1, Array::Fill::anything};
  prefer_huge_pages(out.bytes());
  std::vector<Name> table(labels.names.size() + 1, 0);
  std::copy(labels.names.begin(), labels.names.end(), table.begin() + 1);
  const auto ids = labels.ids.view<std::uint32_t>().channel();
  const auto names = out.view<std::uint64_t>().channel();
  for (std::size_t i = 0; i < ids.size(); ++i) names[i] = table[ids[i]];
  return out;
}

LabelArray compacted(const Array& labels) {
  LabelArray out{Array{DType::u32, labels.box(), labels.domain(), 1, Array::Fill::anything}, {}};
  prefer_huge_pages(out.ids.bytes());
  const auto ids = out.ids.view<std::uint32_t>().channel();
  std::unordered_map<Name, std::uint32_t> known{{0, 0}};
  visit_dtype(labels.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto values = labels.view<T>().channel();
    Name last = 0;
    std::uint32_t last_id = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<Name>(values[i]);
      if (value != last) {
        if (out.names.size() == std::numeric_limits<std::uint32_t>::max())
          throw Error{ErrorCode::resource, "more than 2^32 - 1 labels in box " + to_string(labels.box()) +
                                               " (local ids are 32 bits wide); use smaller blocks"};
        const auto [entry, added] =
            known.try_emplace(value, static_cast<std::uint32_t>(out.names.size() + 1));
        if (added) out.names.push_back(value);
        last = value;
        last_id = entry->second;
      }
      ids[i] = last_id;
    }
  });
  return out;
}

}  // namespace petavox
