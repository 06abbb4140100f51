// The tables of the way down: composition against its definition, and their bytes.

#include "petavox/run/name_values.hpp"

#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace petavox {
namespace {

constexpr Name largest = std::numeric_limits<Name>::max();

/// Sorted and distinct, some dense, some beyond 2^63.
std::vector<Name> random_names(std::mt19937_64& random, std::size_t count) {
  std::vector<Name> names;
  for (std::size_t i = 0; i < count; ++i) switch (random() % 4) {
      case 0:
        names.push_back(1 + random() % 40);
        break;
      case 1:
        names.push_back(random());
        break;
      case 2:
        names.push_back(largest - random() % 20);
        break;
      default:
        names.push_back((Name{1} << (random() % 64)) + random() % 3);
        break;
    }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<NameAssignment> random_assignments(std::mt19937_64& random, std::size_t count) {
  std::vector<NameAssignment> assignments;
  for (const Name name : random_names(random, count))
    assignments.push_back({name, random() % 3 == 0 ? name : random_names(random, 1).front(), random() % 2});
  return assignments;
}

NameValues random_values(std::mt19937_64& random, std::size_t count) {
  NameValues values;
  for (const Name name : random_names(random, count))
    values.push_back({name, random_names(random, 1).front()});
  return values;
}

TEST(NameValues, ComposeAsDefined) {
  std::mt19937_64 random{1};
  for (int round = 0; round < 300; ++round) {
    const auto assignments = random_assignments(random, random() % 30);
    const NameValues parent = random_values(random, random() % 30);
    std::map<Name, Name> above;
    for (const NameValue& v : parent) above[v.name] = v.value;
    const NameValues values = compose(assignments, parent);
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end(),
                               [](const NameValue& a, const NameValue& b) { return a.name < b.name; }));
    for (const NameValue& v : values) EXPECT_NE(v.name, v.value) << "names that stay are left out";
    for (const NameAssignment& a : assignments) {
      const Name expected = a.settled != 0 ? a.to : above.contains(a.to) ? above[a.to] : a.to;
      EXPECT_EQ(value_of(values, a.name), expected);
    }
  }
}

TEST(NameValues, UnlistedNamesKeepTheirValue) {
  const NameValues values{{5, 9}, {largest, 1}};
  EXPECT_EQ(value_of(values, 4), 4U);
  EXPECT_EQ(value_of(values, 5), 9U);
  EXPECT_EQ(value_of(values, 6), 6U);
  EXPECT_EQ(value_of(values, largest), 1U);
  EXPECT_EQ(value_of({}, 7), 7U);
}

TEST(NameValues, RoundTrip) {
  std::mt19937_64 random{2};
  for (int round = 0; round < 300; ++round) {
    const auto assignments = random_assignments(random, random() % 50);
    EXPECT_EQ(decode_assignments(encode_assignments(assignments)), assignments);
    const NameValues values = random_values(random, random() % 50);
    EXPECT_EQ(decode_values(encode_values(values)), values);
  }
}

TEST(NameValues, NearbyNamesTakeTwoBytes) {
  NameValues values;
  for (Name name = 1; name <= 1000; ++name)
    values.push_back({(Name{1} << 50) + name, (Name{1} << 50) + 1 + name});
  EXPECT_LE(encode_values(values).size(), 2 * values.size() + 16);
}

/// Decodes without caring what comes out: Error is fine, anything worse is caught by the sanitizers.
template <class Decode>
bool refused(Decode decode, std::span<const std::byte> bytes) {
  try {
    static_cast<void>(decode(bytes));
    return false;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    return true;
  }
}

TEST(NameValues, TruncatedBytesAreRefused) {
  std::mt19937_64 random{3};
  const Bytes assignments = encode_assignments(random_assignments(random, 40));
  const Bytes values = encode_values(random_values(random, 40));
  for (std::size_t size = 1; size < assignments.size(); ++size)
    EXPECT_TRUE(refused(decode_assignments, std::span{assignments}.first(size))) << size;
  for (std::size_t size = 1; size < values.size(); ++size)
    EXPECT_TRUE(refused(decode_values, std::span{values}.first(size))) << size;
}

TEST(NameValues, HostileBytesEndInAnError) {
  // A count of nearly 2^64 must not be believed.
  const Bytes huge(9, std::byte{0xff});
  Bytes count = huge;
  count.push_back(std::byte{0x01});
  EXPECT_TRUE(refused(decode_assignments, count));
  EXPECT_TRUE(refused(decode_values, count));
  // A number that does not end.
  EXPECT_TRUE(refused(decode_values, Bytes(64, std::byte{0xff})));
  // Bytes behind the last entry were not written by petavox.
  Bytes longer = encode_values({{3, 4}});
  longer.push_back(std::byte{0});
  EXPECT_TRUE(refused(decode_values, longer));
  longer = encode_assignments({{3, 4, 1}});
  longer.push_back(std::byte{0});
  EXPECT_TRUE(refused(decode_assignments, longer));
  std::mt19937_64 random{4};
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 40);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    refused(decode_assignments, bytes);
    refused(decode_values, bytes);
  }
}

}  // namespace
}  // namespace petavox
