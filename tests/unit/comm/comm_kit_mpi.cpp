#include "petavox/comm/mpi_communicator.hpp"

#include "ranks/world.hpp"
#include "unit/comm/comm_kit.hpp"

#include <ctime>

#include <gtest/gtest.h>

namespace petavox {
namespace {

void run_kit(Communicator& comm) {
  for (const auto& kit_case : testing::comm_kit()) {
    SCOPED_TRACE(kit_case.name);
    EXPECT_NO_THROW(kit_case.run(comm));
  }
}

TEST(MpiKit, keeps_every_promise) { run_kit(testing::world()); }

// The split that messages over 2 GiB need, at 100 bytes, with few parts under way at once.
TEST(MpiKit, keeps_every_promise_in_small_parts) {
  const auto comm = make_mpi_communicator({.part_bytes = 100, .max_in_flight = 8});
  run_kit(*comm);
}

TEST(MpiKit, communicators_do_not_mix) {
  auto& world = testing::world();
  const auto other = make_mpi_communicator();
  const int to = (world.rank() + 1) % world.size();
  const std::byte a[]{std::byte{1}}, b[]{std::byte{2}};
  world.send(to, 1, a);
  other->send(to, 2, b);
  const auto second = other->poll(std::chrono::seconds{30}), first = world.poll(std::chrono::seconds{30});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->tag, 1);
  EXPECT_EQ(second->tag, 2);
  EXPECT_TRUE(other->flush() && world.flush());
  world.barrier();
}

// A master polls in a loop for times that are shorter than what one call looks before it sleeps.
TEST(MpiPoll, short_waits_again_and_again_leave_the_core_to_others) {
  auto& world = testing::world();
  const auto thread_seconds = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  world.barrier();
  if (world.rank() == 0) {
    constexpr auto time = std::chrono::milliseconds{400};
    const auto begin = std::chrono::steady_clock::now();
    const double before = thread_seconds();
    while (std::chrono::steady_clock::now() - begin < time)
      EXPECT_FALSE(world.poll(std::chrono::microseconds{200}));
    EXPECT_LT(thread_seconds() - before, 0.1) << "seconds of CPU in 0.4 of waiting";
    for (int to = 1; to < world.size(); ++to) world.send(to, 1, {});
    EXPECT_TRUE(world.flush());
  } else {
    EXPECT_TRUE(world.poll(std::chrono::seconds{30}));
  }
  world.barrier();
}

TEST(MpiForget, drops_what_is_queued_and_refuses_collectives) {
  auto& world = testing::world();
  if (world.size() < 2) GTEST_SKIP() << "needs a peer";
  {
    const auto comm = make_mpi_communicator({.part_bytes = 4096, .max_in_flight = 2});
    const int peer = world.size() - 1;
    if (world.rank() == 0) {
      comm->send(peer, 0, Bytes(20'000'000));  // never received: cannot leave
      EXPECT_FALSE(comm->flush(std::chrono::milliseconds{20}));
      comm->forget(peer);
      EXPECT_TRUE(comm->flush(std::chrono::milliseconds{0}));
      comm->send(peer, 0, Bytes(10));
      EXPECT_TRUE(comm->flush(std::chrono::milliseconds{0}));
      EXPECT_THROW(comm->barrier(), Error);
      EXPECT_THROW(comm->maximum(1), Error);
      EXPECT_THROW(comm->broadcast({}, 0), Error);
    }
    world.barrier();
    // The parts that were under way must be taken, or MPI_Finalize would wait for them.
    if (world.rank() == peer)
      while (comm->poll(std::chrono::milliseconds{50})) {
      }
  }
  world.barrier();
}

}  // namespace
}  // namespace petavox
