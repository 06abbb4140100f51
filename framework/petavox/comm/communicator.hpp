#pragma once
// Messages between ranks, as the master and worker loops see them: bytes, no archives, no MPI.
// Promises: messages of one sender to one receiver arrive whole, once and in order; `send` never waits for
// the receiver; a peer that has died delays nobody else.
// Thread safety: one Communicator belongs to one thread.
// "Collective." means that every rank must call, in the same order. "Local." needs no other rank.

#include "petavox/base/bytes.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace petavox {

struct Message {
  int from = -1;
  int tag = 0;
  Bytes bytes;
};

class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  /// Local. 0 <= rank() < size().
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Local. Takes a copy of the bytes and returns at once; they leave now or in a later send, poll or flush.
  /// A rank may send to itself. Tags are any values that the two sides agree on, >= 0. There is no limit on
  /// the size, but up to 4 KiB travels fastest; bulk data belongs in files. Throws Error{internal} for a rank
  /// that does not exist.
  virtual void send(int to, int tag, std::span<const std::byte> bytes) = 0;

  /// Local. The next message from any rank, or nothing when `timeout` has passed. 0 looks once. Waits first
  /// actively, then in sleeps of 50 us to 1 ms, so an idle rank costs no core.
  virtual std::optional<Message> poll(std::chrono::microseconds timeout) = 0;

  /// Local. Waits until what was sent has left this rank (not until it was read). False if that took longer
  /// than `timeout`, as it may if a receiver died: call forget() for it.
  virtual bool flush(std::chrono::milliseconds timeout = std::chrono::seconds{10}) = 0;

  /// Local. Gives a peer up for dead: what is queued for it is dropped, later messages to and from it vanish.
  /// From then on no rank may enter a collective, and the MPI session ends without MPI_Finalize.
  virtual void forget(int peer) = 0;

  /// Collective. Returns when all ranks have entered.
  virtual void barrier() = 0;
  /// Collective. The bytes of `root`, on every rank; the argument of the others is ignored.
  virtual Bytes broadcast(Bytes bytes, int root) = 0;
  /// Collective. The greatest value over all ranks, on every rank.
  virtual std::int64_t maximum(std::int64_t value) = 0;

  /// Local. Ends all ranks at once with this exit code. Only run_guarded should need it.
  [[noreturn]] virtual void abort(int code) = 0;
};

/// Collective. The exit code on which all ranks agree to leave: 0 if every rank brings 0, else the greatest
/// (the codes are ExitCodes). For the moment between reading the configuration and the first task.
int agree_verdict(Communicator& comm, int code);

}  // namespace petavox
