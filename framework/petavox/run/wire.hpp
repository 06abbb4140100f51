#pragma once
// What master and workers say to each other, as bytes. docs/formats.md has the layout.

#include "petavox/run/task_runner.hpp"

namespace petavox::wire {

enum Tag : int {
  hello = 1,    ///< worker -> master: ready for work
  work = 2,     ///< master -> worker: a list of Work
  outcome = 3,  ///< worker -> master: a list of TaskOutcome, all durable
  stop = 4,     ///< master -> worker: leave, with an exit code
  beat = 5,     ///< both ways: alive
};

Bytes encode(const std::vector<Work>& list);
std::vector<Work> decode_work(std::span<const std::byte> bytes);
Bytes encode(const std::vector<TaskOutcome>& list);
/// Throws Error{io} for bytes that cannot be a list of outcomes.
std::vector<TaskOutcome> decode_outcomes(std::span<const std::byte> bytes);
Bytes encode_code(int code);
int decode_code(std::span<const std::byte> bytes);

}  // namespace petavox::wire
