#pragma once
// What master and workers say to each other, as bytes. All ranks are of one version: nothing keeps them.

#include "petavox/run/task_runner.hpp"
#include "petavox/run/worker_id.hpp"

namespace petavox::wire {

enum Tag : int {
  hello = 1,    ///< worker -> master: ready for work
  work = 2,     ///< master -> worker: a list of Work, with the worker behind it
  outcome = 3,  ///< worker -> master: a list of TaskOutcome, all durable, with the worker behind it
  stop = 4,     ///< master -> worker: leave, with an exit code
  beat = 5,     ///< both ways: alive
  release = 6,  ///< master -> worker: a list of Release
  leave = 7,    ///< worker -> master: gone, and holds nothing; the last that it says
};

Bytes encode(const std::vector<Work>& list);
std::vector<Work> decode_work(std::span<const std::byte> bytes);
Bytes encode(const std::vector<TaskOutcome>& list);
/// Throws Error{io} for bytes that cannot be a list of outcomes.
std::vector<TaskOutcome> decode_outcomes(std::span<const std::byte> bytes);
/// Which worker of a rank a message is for, or from: 8 bytes at its end.
void address(Bytes& message, WorkerId worker);
/// Takes them off. Throws Error{io} if there are none.
WorkerId take_address(std::span<const std::byte>& message);
Bytes encode(const std::vector<Release>& list);
std::vector<Release> decode_releases(std::span<const std::byte> bytes);
Bytes encode_code(int code);
int decode_code(std::span<const std::byte> bytes);

}  // namespace petavox::wire
