#include "petavox/comm/mpi_communicator.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/comm/mpi_detail.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/operations.hpp>
#include <boost/mpi/request.hpp>

namespace petavox {
namespace {

namespace mpi = boost::mpi;
using Clock = std::chrono::steady_clock;

// One MPI tag for all: the order of messages then holds across the tags of users. A message is a header and
// its bytes, cut into parts; the parts of a pair of ranks arrive in order, so only the first needs a header.
constexpr int wire_tag = 1;
constexpr std::uint32_t magic = 0x31787670;  // "pvx1"
struct Header {
  std::uint64_t size;
  std::int32_t tag;
  std::uint32_t magic;
};
static_assert(sizeof(Header) == 16);

struct Outgoing {
  Bytes wire;
  std::size_t started = 0;             // bytes handed to MPI
  std::deque<mpi::request> in_flight;  // in the order of the parts
};

struct Incoming {
  bool open = false;
  std::uint64_t size = 0;
  Message message;
};

struct Peer {
  std::deque<Outgoing> queue;
  int parts_in_flight = 0;
  Incoming incoming;
  bool forgotten = false;
};

// Buffers that MPI may still read after their communicator is gone: kept for the rest of the process.
std::vector<Outgoing>& abandoned() {
  static auto* const buffers = new std::vector<Outgoing>;
  return *buffers;
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(const MpiOptions& options) : options_{options} {
    PETAVOX_ASSERT(options.part_bytes >= 2 * sizeof(Header) && options.part_bytes <= std::size_t{1} << 30);
    PETAVOX_ASSERT(options.max_in_flight >= 1);
    // Attached, not owned: MPI_Comm_free is collective, and a destructor must not be. MPI_Finalize frees it.
    MPI_Comm own = MPI_COMM_NULL;
    MPI_Comm_dup(MPI_COMM_WORLD, &own);
    comm_ = mpi::communicator{own, mpi::comm_attach};
    peers_.resize(static_cast<std::size_t>(comm_.size()));
  }

  ~MpiCommunicator() override {
    for (Peer& peer : peers_)
      for (Outgoing& message : peer.queue)
        if (!message.in_flight.empty()) abandoned().push_back(std::move(message));
  }

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }

  void send(int to, int tag, std::span<const std::byte> bytes) override {
    Peer& peer = peer_of(to);
    PETAVOX_ASSERT(tag >= 0);
    if (peer.forgotten) return;
    if (to == rank()) {
      own_.push_back({to, tag, Bytes(bytes.begin(), bytes.end())});
      return;
    }
    const Header header{bytes.size(), tag, magic};
    Outgoing message;
    message.wire.reserve(sizeof header + bytes.size());
    const auto head = std::as_bytes(std::span{&header, 1});
    message.wire.insert(message.wire.end(), head.begin(), head.end());
    message.wire.insert(message.wire.end(), bytes.begin(), bytes.end());
    if (peer.queue.empty()) busy_.push_back(to);
    peer.queue.push_back(std::move(message));
    push(to);
  }

  std::optional<Message> poll(std::chrono::microseconds timeout) override {
    constexpr int spins = 200;
    constexpr auto shortest = std::chrono::microseconds{50}, longest = std::chrono::microseconds{1000};
    const auto start = Clock::now();
    auto nap = shortest;
    while (true) {
      // A large message is on its way: it only moves while its sender looks.
      if (push_all()) fruitless_looks_ = 0;
      if (auto message = receive()) {
        fruitless_looks_ = 0;
        return message;
      }
      const auto waited = Clock::now() - start;
      if (waited >= timeout) return std::nullopt;
      // Counted over calls: one that polls for short times in a loop (the master) would otherwise never
      // sleep, and take the core of a rank that computes.
      if (fruitless_looks_ < spins) {
        ++fruitless_looks_;
        continue;
      }
      const auto left = std::chrono::duration_cast<std::chrono::microseconds>(timeout - waited);
      std::this_thread::sleep_for(std::min(nap, left));
      nap = busy_.empty() ? std::min(2 * nap, longest) : shortest;
    }
  }

  bool flush(std::chrono::milliseconds timeout) override {
    const auto deadline = Clock::now() + timeout;
    while (true) {
      push_all();
      if (busy_.empty()) return true;
      if (Clock::now() >= deadline) return false;
      // Two ranks that flush large messages to each other must both receive meanwhile.
      if (auto message = receive_from_mpi()) arrived_.push_back(std::move(*message));
      std::this_thread::yield();
    }
  }

  void forget(int rank) override {
    Peer& peer = peer_of(rank);
    PETAVOX_ASSERT(rank != this->rank());
    peer.forgotten = true;
    lost_peer_ = true;
    for (Outgoing& message : peer.queue)
      if (!message.in_flight.empty()) abandoned().push_back(std::move(message));
    peer.queue.clear();
    peer.parts_in_flight = 0;
    peer.incoming = {};
    std::erase(busy_, rank);
    std::erase_if(arrived_, [&](const Message& message) { return message.from == rank; });
  }

  void barrier() override {
    check_collective();
    comm_.barrier();
  }

  Bytes broadcast(Bytes bytes, int root) override {
    check_collective();
    (void)peer_of(root);
    std::uint64_t total = bytes.size();
    mpi::broadcast(comm_, total, root);
    bytes.resize(static_cast<std::size_t>(total));
    for (std::size_t at = 0; at < bytes.size(); at += options_.part_bytes) {
      const std::size_t part = std::min(options_.part_bytes, bytes.size() - at);
      mpi::broadcast(comm_, reinterpret_cast<char*>(bytes.data()) + at, checked_cast<int>(part), root);
    }
    return bytes;
  }

  std::int64_t maximum(std::int64_t value) override {
    check_collective();
    return mpi::all_reduce(comm_, value, mpi::maximum<std::int64_t>{});
  }

  [[noreturn]] void abort(int code) override { detail::end_without_finalize(code, detail::Reach::all_ranks); }

  bool lost_peer() const { return lost_peer_; }

 private:
  Peer& peer_of(int rank) {
    if (rank < 0 || rank >= size())
      throw Error{ErrorCode::internal, "rank " + std::to_string(rank) + " does not exist (there are " +
                                           std::to_string(size()) + "); this is a bug, please report it"};
    return peers_[static_cast<std::size_t>(rank)];
  }
  void check_collective() const {
    if (lost_peer_)
      throw Error{
          ErrorCode::internal,
          "a collective after a peer was given up (it would never end); this is a bug, please report it"};
  }

  /// True if any part left or was handed over.
  bool push_all() {
    bool moved = false;
    for (std::size_t i = 0; i < busy_.size();) {
      const std::size_t before = busy_.size();
      moved = push(busy_[i]) || moved;
      if (busy_.size() == before) ++i;
    }
    return moved;
  }

  // Reaps what has left for `to` and hands more to MPI; takes `to` off the busy list when nothing is left.
  bool push(int to) {
    Peer& peer = peer_of(to);
    bool moved = false;
    while (!peer.queue.empty()) {
      Outgoing& first = peer.queue.front();
      while (!first.in_flight.empty() && first.in_flight.front().test()) {
        first.in_flight.pop_front();
        --peer.parts_in_flight;
        moved = true;
      }
      if (!first.in_flight.empty() || first.started < first.wire.size()) break;
      peer.queue.pop_front();
    }
    for (Outgoing& message : peer.queue) {
      if (peer.parts_in_flight >= options_.max_in_flight) break;
      while (message.started < message.wire.size() && peer.parts_in_flight < options_.max_in_flight) {
        const std::size_t part = std::min(options_.part_bytes, message.wire.size() - message.started);
        const auto* data = reinterpret_cast<const char*>(message.wire.data()) + message.started;
        message.in_flight.push_back(comm_.isend(to, wire_tag, data, checked_cast<int>(part)));
        message.started += part;
        ++peer.parts_in_flight;
        moved = true;
      }
    }
    if (peer.queue.empty()) std::erase(busy_, to);
    return moved;
  }

  std::optional<Message> receive() {
    for (auto* waiting : {&arrived_, &own_}) {
      if (waiting->empty()) continue;
      Message message = std::move(waiting->front());
      waiting->pop_front();
      return message;
    }
    return receive_from_mpi();
  }

  // Takes parts until a message is whole or nothing has arrived.
  std::optional<Message> receive_from_mpi() {
    while (const auto status = comm_.iprobe(mpi::any_source, wire_tag)) {
      const int from = status->source();
      const auto size = static_cast<std::size_t>(status->count<char>().value());
      Bytes part(size);
      comm_.recv(from, wire_tag, reinterpret_cast<char*>(part.data()), static_cast<int>(size));
      Peer& peer = peer_of(from);
      if (peer.forgotten) continue;
      if (absorb(peer.incoming, from, std::move(part))) return std::exchange(peer.incoming, {}).message;
    }
    return std::nullopt;
  }

  static bool absorb(Incoming& incoming, int from, Bytes part) {
    auto body = std::span<const std::byte>{part};
    if (!incoming.open) {
      ByteReader reader{body};
      const auto header = reader.get<Header>();
      PETAVOX_ASSERT(header.magic == magic);
      incoming.open = true;
      incoming.size = header.size;
      incoming.message.from = from;
      incoming.message.tag = header.tag;
      body = body.subspan(sizeof header);
    }
    Bytes& bytes = incoming.message.bytes;
    PETAVOX_ASSERT(body.size() <= incoming.size - bytes.size());
    // Grows with what has really arrived, so a damaged size cannot make it allocate.
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes.size() == incoming.size;
  }

  const MpiOptions options_;
  mpi::communicator comm_;
  std::vector<Peer> peers_;
  std::vector<int> busy_;        // peers with something queued
  std::deque<Message> own_;      // to itself
  std::deque<Message> arrived_;  // while flushing
  bool lost_peer_ = false;
  int fruitless_looks_ = 0;  // since something moved or came
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(const MpiOptions& options) {
  return std::make_unique<MpiCommunicator>(options);
}

namespace detail {
bool lost_peer(const Communicator& comm) { return static_cast<const MpiCommunicator&>(comm).lost_peer(); }
}  // namespace detail

}  // namespace petavox
