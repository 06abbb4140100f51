#include "unit/comm/comm_kit.hpp"

#include "petavox/base/hash.hpp"

#include <chrono>
#include <map>
#include <stdexcept>

namespace petavox::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error{what};
}

// Bytes that differ for each seed and at each place.
Bytes pattern(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(mix64(seed * 1000003 + i));
  return bytes;
}

Message must_receive(Communicator& comm) {
  const auto deadline = Clock::now() + 30s;
  while (Clock::now() < deadline)
    if (auto message = comm.poll(100ms)) return *std::move(message);
  throw std::runtime_error{"rank " + std::to_string(comm.rank()) + " waited in vain for a message"};
}

void ranks_are_numbered(Communicator& comm) {
  require(comm.size() >= 1 && comm.rank() >= 0 && comm.rank() < comm.size(), "rank outside 0..size-1");
  require(comm.maximum(comm.rank()) == comm.size() - 1, "the ranks are not 0..size-1");
}

void empty_poll_waits_as_told(Communicator& comm) {
  comm.barrier();
  require(!comm.poll(0us), "a message from nowhere");
  const auto start = Clock::now();
  require(!comm.poll(20ms), "a message from nowhere");
  require(Clock::now() - start >= 20ms, "poll came back before its timeout");
  comm.barrier();
}

void every_pair_keeps_order(Communicator& comm) {
  constexpr int per_peer = 300;
  for (int i = 0; i < per_peer; ++i)
    for (int to = 0; to < comm.size(); ++to) {  // itself too
      const auto seed = static_cast<std::uint64_t>((comm.rank() * 100 + to) * per_peer + i);
      comm.send(to, i % 7, pattern(static_cast<std::size_t>(i % 50), seed));
    }
  std::map<int, int> next;
  for (int left = per_peer * comm.size(); left > 0; --left) {
    const Message message = must_receive(comm);
    const int i = next[message.from]++;
    const auto seed = static_cast<std::uint64_t>((message.from * 100 + comm.rank()) * per_peer + i);
    require(message.tag == i % 7, "wrong tag or order");
    require(message.bytes == pattern(static_cast<std::size_t>(i % 50), seed), "wrong bytes or order");
  }
  require(comm.flush(60s), "flush did not end");
  comm.barrier();
  require(!comm.poll(0us), "a message too many");
  comm.barrier();
}

void sizes_round_the_limits(Communicator& comm) {
  // Round the eager limit of MPI, and round the part size that the MPI test lowers to 100.
  const std::vector<std::size_t> sizes{0,   1,   31,  83,   84,   85,   99,    100,
                                       101, 184, 185, 4079, 4080, 4096, 70001, 300000};
  const int to = (comm.rank() + 1) % comm.size(), from = (comm.rank() + comm.size() - 1) % comm.size();
  for (const std::size_t size : sizes)
    comm.send(to, 3, pattern(size, size + static_cast<std::size_t>(comm.rank())));
  for (const std::size_t size : sizes) {
    const Message message = must_receive(comm);
    require(message.from == from && message.tag == 3, "wrong sender or tag");
    require(message.bytes == pattern(size, size + static_cast<std::size_t>(from)),
            "damaged message of " + std::to_string(size) + " bytes");
  }
  require(comm.flush(60s), "flush did not end");
  comm.barrier();
}

// All ranks send much to all before anyone receives: a send that waited for its receiver would never end.
void send_never_waits(Communicator& comm) {
  constexpr int count = 20;
  const Bytes big = pattern(20000, 5);
  for (int i = 0; i < count; ++i)
    for (int to = 0; to < comm.size(); ++to) comm.send(to, i, big);
  comm.barrier();
  std::map<int, int> next;
  for (int left = count * comm.size(); left > 0; --left) {
    const Message message = must_receive(comm);
    require(message.tag == next[message.from]++ && message.bytes == big, "damaged or out of order");
  }
  require(comm.flush(60s), "flush did not end");
  comm.barrier();
}

// A rank that does not receive holds up neither its sender nor the others; later it gets everything.
void deaf_peer_delays_nobody(Communicator& comm) {
  constexpr int count = 50;
  const Bytes big = pattern(20000, 9);
  if (comm.size() >= 3) {
    if (comm.rank() == 0) {
      for (int i = 0; i < count; ++i) {
        comm.send(1, i, big);
        comm.send(2, i, pattern(10, 1));
        const Message answer = must_receive(comm);
        require(answer.from == 2 && answer.tag == i, "rank 2 must be served though rank 1 is deaf");
      }
    } else if (comm.rank() == 2) {
      for (int i = 0; i < count; ++i) comm.send(0, must_receive(comm).tag, {});
    }
  }
  comm.barrier();  // rank 1 comes here without having polled
  if (comm.size() >= 3 && comm.rank() == 1)
    for (int i = 0; i < count; ++i) {
      const Message message = must_receive(comm);
      require(message.from == 0 && message.tag == i && message.bytes == big, "damaged or out of order");
    }
  require(comm.flush(60s), "flush did not end");
  comm.barrier();
}

// Random traffic with answers, as between a master and its workers.
void request_and_answer(Communicator& comm) {
  constexpr int rounds = 200;
  if (comm.rank() == 0) {
    std::vector<int> sent(static_cast<std::size_t>(comm.size()));
    int open = 0;
    for (int to = 1; to < comm.size(); ++to) {
      comm.send(to, 0, pattern(64, 0));
      ++open;
    }
    while (open > 0) {
      const Message answer = must_receive(comm);
      const int round = sent[static_cast<std::size_t>(answer.from)]++;
      require(answer.tag == round, "answer to another question");
      require(answer.bytes == pattern(64, static_cast<std::uint64_t>(round)), "wrong answer");
      if (round + 1 < rounds)
        comm.send(answer.from, round + 1, pattern(64, static_cast<std::uint64_t>(round + 1)));
      else
        --open;
    }
  } else {
    for (int round = 0; round < rounds; ++round) {
      const Message question = must_receive(comm);
      require(question.from == 0, "only rank 0 asks");
      comm.send(0, question.tag, question.bytes);
    }
  }
  require(comm.flush(60s), "flush did not end");
  comm.barrier();
}

void broadcast_from_every_root(Communicator& comm) {
  for (int root = 0; root < comm.size(); ++root)
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{250001}}) {
      const auto seed = static_cast<std::uint64_t>(root);
      Bytes bytes = comm.rank() == root ? pattern(size, seed) : pattern(7, 99);
      require(comm.broadcast(std::move(bytes), root) == pattern(size, seed), "another text than the root's");
    }
}

void maximum_over_ranks(Communicator& comm) {
  require(comm.maximum(-5 - comm.rank()) == -5, "wrong maximum of negative numbers");
  require(comm.maximum(std::int64_t{1} << 40) == std::int64_t{1} << 40, "wrong maximum of equal numbers");
  require(agree_verdict(comm, comm.rank() == comm.size() - 1 ? 2 : 0) == 2, "one bad verdict must win");
  require(agree_verdict(comm, 0) == 0, "a bad verdict from nowhere");
}

void wrong_rank_is_refused(Communicator& comm) {
  for (const int to : {-1, comm.size()}) {
    bool refused = false;
    try {
      comm.send(to, 0, {});
    } catch (const Error& error) {
      refused = error.code() == ErrorCode::internal;
    }
    require(refused, "a message to rank " + std::to_string(to) + " was taken");
  }
}

}  // namespace

std::vector<CommCase> comm_kit() {
  return {{"ranks_are_numbered", ranks_are_numbered},
          {"empty_poll_waits_as_told", empty_poll_waits_as_told},
          {"every_pair_keeps_order", every_pair_keeps_order},
          {"sizes_round_the_limits", sizes_round_the_limits},
          {"send_never_waits", send_never_waits},
          {"deaf_peer_delays_nobody", deaf_peer_delays_nobody},
          {"request_and_answer", request_and_answer},
          {"broadcast_from_every_root", broadcast_from_every_root},
          {"maximum_over_ranks", maximum_over_ranks},
          {"wrong_rank_is_refused", wrong_rank_is_refused}};
}

}  // namespace petavox::testing
