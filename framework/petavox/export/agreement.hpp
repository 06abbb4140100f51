#pragma once
// Collective error handling: a rank that fails must not leave the others waiting in a collective. Internal to
// export.

#include "petavox/base/error.hpp"

#include <functional>
#include <optional>
#include <string>

#include <mpi.h>

namespace petavox::detail {

/// A communicator of its own for the messages of one export. Both constructor and destructor are collective.
class ExportComm {
 public:
  ExportComm();
  ExportComm(const ExportComm&) = delete;
  ExportComm& operator=(const ExportComm&) = delete;
  ~ExportComm();

  MPI_Comm handle() const { return comm_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Collective. Runs `work`, which must not communicate, on every rank. If it throws on any, all ranks throw
  /// the Error of the lowest such rank.
  void agree(const std::function<void()>& work) const;
  /// Collective. Throws on all ranks the failure of the lowest rank that has one.
  void agree_on(const std::optional<Error>& failure) const;
  /// Collective. The text of rank 0.
  std::string broadcast(std::string text) const;

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

/// Runs `work` and returns what it throws.
std::optional<Error> failure_of(const std::function<void()>& work);

}  // namespace petavox::detail
