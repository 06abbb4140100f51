#include "petavox/reduce/join_names.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using Fragment = JoinNames::Fragment;
using Pair = JoinNames::Pair;
using State = JoinNames::State;

/// Four blocks of one voxel along x, joined 1-2, 3-4 or as given: names are 1..4.
class Row : public ::testing::Test {
 protected:
  static ReductionContext context(Index from, Index to) {
    NodeContext node;
    node.domain = {{0, 0, 0}, {1, 1, 4}};
    node.box = {{0, 0, from}, {1, 1, to}};
    return ReductionContext{node};
  }
  static State leaf(Index x, bool joined) {
    const Fragment own{static_cast<Name>(x) + 1, face_bit(2, false) | face_bit(2, true)};
    std::vector<Pair> pairs;
    if (joined) pairs.push_back({own.name, own.name - 1});
    return JoinNames::leaf_state(std::span{&own, 1}, pairs, context(x, x + 1));
  }
  State joined(State a, Index from, Index middle, State b, Index to, NameChanges& changes) const {
    const auto c = context(from, to);
    NameChanges step;
    State s = names_.merge(std::move(a), std::move(b),
                           {context(from, middle).box, context(middle, to).box, c.box, c.domain}, c, step);
    changes.then(std::move(step));
    NameChanges settled;
    names_.settle(s, c, settled);
    changes.then(std::move(settled));
    return s;
  }
  JoinNames names_;
};

TEST_F(Row, AChainSettlesToItsSmallestName) {
  NameChanges changes;
  State a = joined(leaf(0, false), 0, 1, leaf(1, true), 2, changes);
  State b = joined(leaf(2, true), 2, 3, leaf(3, true), 4, changes);
  const State whole = joined(std::move(a), 0, 2, std::move(b), 4, changes);
  EXPECT_TRUE(whole.roots.empty() && whole.members.empty() && whole.pending.empty());
  EXPECT_EQ(changes.assignments(names_.open_names(whole)),
            (std::vector<NameAssignment>{{2, 1, 1}, {3, 1, 1}, {4, 1, 1}}));
}

TEST_F(Row, WhatCannotBeReachedLeaves) {
  NameChanges changes;
  const State a = joined(leaf(0, false), 0, 1, leaf(1, true), 2, changes);
  EXPECT_EQ(a.roots.size(), 1U);
  EXPECT_EQ(a.members.size(), 1U);  // fragment 2 touches the open face; 1 does not any more
  EXPECT_EQ((*a.members.begin()).name, 2U);
  EXPECT_EQ((*a.members.begin()).root(), 0U);
  EXPECT_EQ(*a.roots.begin(), 1U);
}

TEST_F(Row, PacksAndUnpacks) {
  const State state = leaf(2, true);
  ByteWriter writer;
  names_.pack(state, writer);
  ByteReader reader{std::span<const std::byte>{writer.bytes()}};
  const State again = names_.unpack(reader, context(2, 3));
  EXPECT_TRUE(reader.done());
  ByteWriter second;
  names_.pack(again, second);
  EXPECT_EQ(writer.bytes(), second.bytes());
}

TEST_F(Row, RefusesDamagedStates) {
  const State state = leaf(2, true);
  ByteWriter writer;
  names_.pack(state, writer);
  const Bytes good = writer.bytes();
  // Every truncation, and every flipped bit: an error or a state that is consistent, never anything else.
  for (std::size_t size = 0; size < good.size(); ++size) {
    ByteReader reader{std::span{good.data(), size}};
    EXPECT_THROW(names_.unpack(reader, context(2, 3)), Error);
  }
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    ByteReader reader{std::span<const std::byte>{bad}};
    try {
      const State read = names_.unpack(reader, context(2, 3));
      for (const auto& m : read.members) EXPECT_LT(m.root(), read.roots.size());
      for (const auto& p : read.pending) EXPECT_LT(p.root, read.roots.size());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::io);
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(JoinOf, AcceptsOnlyBoxesThatFormABox) {
  const Box domain{{0, 0, 0}, {4, 4, 4}};
  const Box a{{0, 0, 0}, {2, 4, 4}}, b{{2, 0, 0}, {4, 4, 4}}, c{{2, 0, 0}, {4, 3, 4}},
      d{{3, 0, 0}, {4, 4, 4}};
  ASSERT_TRUE(join_of(a, b, domain));
  EXPECT_EQ(join_of(b, a, domain)->joined, domain);
  EXPECT_EQ(join_of(a, b, domain)->face_of_a(), face_bit(0, true));
  EXPECT_EQ(join_of(b, a, domain)->face_of_a(), face_bit(0, false));
  EXPECT_FALSE(join_of(a, c, domain));
  EXPECT_FALSE(join_of(a, d, domain));
  EXPECT_FALSE(join_of(a, a, domain));
}

}  // namespace
}  // namespace petavox
