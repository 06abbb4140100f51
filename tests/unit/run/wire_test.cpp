// Messages between master and workers: round trips, truncation at every byte, counts that lie.

#include "petavox/run/wire.hpp"

#include <random>

#include <gtest/gtest.h>

namespace petavox::wire {
namespace {

std::vector<Work> some_work() {
  std::vector<Work> list;
  for (std::int64_t i = 0; i < 3; ++i) {
    Work work;
    work.task = {i, 7 * i};
    work.attempt = static_cast<int>(i) - 1;
    for (std::int64_t k = 0; k < i; ++k)
      work.inputs.emplace_back(TaskId{k, i}, IndexedResult{{1, 2, std::uint64_t{1} << 40,
                                                            5 + static_cast<std::uint64_t>(k), ~0ULL},
                                                           static_cast<std::uint32_t>(k)});
    list.push_back(work);
  }
  return list;
}

std::vector<TaskOutcome> some_outcomes() {
  std::vector<TaskOutcome> list;
  for (const OutcomeKind kind : {OutcomeKind::done, OutcomeKind::skipped, OutcomeKind::failed,
                                 OutcomeKind::corrupt, OutcomeKind::fatal}) {
    TaskOutcome o;
    o.task = {3, 99};
    o.attempt = 2;
    o.kind = kind;
    o.retryable = kind != OutcomeKind::failed;
    o.location = {4, 3, 2, 1, 77};
    o.digest = {11, 12};
    o.nanoseconds = 13;
    o.bytes_read = 14;
    o.bytes_written = ~0ULL;
    // What is done needs neither.
    if (kind != OutcomeKind::done) {
      o.culprit = {1, 2};
      o.text = std::string("text with \0 inside", 18);
    }
    list.push_back(o);
  }
  list.back().text.clear();
  return list;
}

TEST(Wire, WorkRoundTrip) {
  const auto work = some_work();
  const auto back = wire::decode_work(wire::encode(work));
  ASSERT_EQ(back.size(), work.size());
  for (std::size_t i = 0; i < work.size(); ++i) {
    EXPECT_EQ(back[i].task, work[i].task);
    EXPECT_EQ(back[i].attempt, work[i].attempt);
    EXPECT_EQ(back[i].inputs, work[i].inputs);
  }
  EXPECT_TRUE(wire::decode_work(wire::encode(std::vector<Work>{})).empty());
}

TEST(Wire, OutcomesRoundTrip) {
  const auto outcomes = some_outcomes();
  const auto back = wire::decode_outcomes(wire::encode(outcomes));
  ASSERT_EQ(back.size(), outcomes.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const TaskOutcome &a = outcomes[i], &b = back[i];
    EXPECT_EQ(a.task, b.task);
    EXPECT_EQ(a.attempt, b.attempt);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.retryable, b.retryable);
    EXPECT_EQ(a.location, b.location);
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(a.nanoseconds, b.nanoseconds);
    EXPECT_EQ(a.bytes_read, b.bytes_read);
    EXPECT_EQ(a.bytes_written, b.bytes_written);
    EXPECT_EQ(a.culprit, b.culprit);
    EXPECT_EQ(a.text, b.text);
  }
}

TEST(Wire, ReleasesRoundTrip) {
  const std::vector<Release> list{{{1, 2}, 3, 4}, {{5, 6}, 7, ~std::uint64_t{0}}};
  EXPECT_EQ(wire::decode_releases(wire::encode(list)), list);
}

TEST(Wire, CodesRoundTrip) {
  for (const int code : {0, 3, 75, -1}) EXPECT_EQ(wire::decode_code(wire::encode_code(code)), code);
}

TEST(Wire, AddressesComeBackAndAreMissed) {
  Bytes message = wire::encode(some_work());
  const std::size_t size = message.size();
  wire::address(message, WorkerId{1234567890123});
  std::span<const std::byte> body = message;
  EXPECT_EQ(wire::take_address(body), WorkerId{1234567890123});
  EXPECT_EQ(body.size(), size);
  EXPECT_EQ(wire::decode_work(body).size(), some_work().size());
  for (std::size_t n = 0; n < sizeof(WorkerId); ++n) {
    std::span<const std::byte> rest = std::span{message}.first(n);
    EXPECT_THROW(wire::take_address(rest), Error) << n;
  }
}

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

TEST(Wire, TruncationAtEveryByteIsAnError) {
  const Bytes work = wire::encode(some_work()), outcomes = wire::encode(some_outcomes()),
              code = wire::encode_code(4);
  for (std::size_t size = 0; size < work.size(); ++size)
    EXPECT_TRUE(refused(wire::decode_work, std::span{work}.first(size))) << size;
  for (std::size_t size = 0; size < outcomes.size(); ++size)
    EXPECT_TRUE(refused(wire::decode_outcomes, std::span{outcomes}.first(size))) << size;
  for (std::size_t size = 0; size < code.size(); ++size)
    EXPECT_TRUE(refused(wire::decode_code, std::span{code}.first(size))) << size;
}

TEST(Wire, DamageNeverDoesMoreThanThrow) {
  std::mt19937_64 random{1};
  for (int round = 0; round < 4000; ++round)
    for (Bytes bytes : {wire::encode(some_work()), wire::encode(some_outcomes())}) {
      for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      refused(wire::decode_work, bytes);
      refused(wire::decode_outcomes, bytes);
    }
}

TEST(Wire, CountsThatLieAreNotBelieved) {
  ByteWriter out;
  out.put(~std::uint64_t{0});
  out.put(std::uint64_t{0});
  EXPECT_TRUE(refused(wire::decode_work, out.bytes()));
  EXPECT_TRUE(refused(wire::decode_outcomes, out.bytes()));
}

TEST(Wire, UnknownOutcomeNamesTheCause) {
  Bytes bytes = wire::encode(some_outcomes());
  constexpr std::size_t kind_offset = 108;  // of 112 bytes that every outcome has
  bytes[sizeof(std::uint64_t) + kind_offset] = std::byte{200};
  try {
    static_cast<void>(wire::decode_outcomes(bytes));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "a message holds an unknown outcome (the ranks run different versions); use one version");
  }
}

}  // namespace
}  // namespace petavox::wire
