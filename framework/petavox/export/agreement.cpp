#include "petavox/export/agreement.hpp"

#include <array>
#include <new>

namespace petavox::detail {

ExportComm::ExportComm() {
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (initialised == 0)
    throw Error{ErrorCode::internal,
                "the collective export was used outside an MPI session (a bug in petavox); please report it"};
  MPI_Comm_dup(MPI_COMM_WORLD, &comm_);
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

ExportComm::~ExportComm() { MPI_Comm_free(&comm_); }

std::optional<Error> failure_of(const std::function<void()>& work) {
  try {
    work();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::resource,
                 "out of memory (the export needs a buffer on each rank); give it a smaller one"};
  } catch (const std::exception& error) {
    return Error{ErrorCode::internal, std::string{error.what()} + " (a bug in petavox); please report it"};
  }
}

void ExportComm::agree(const std::function<void()>& work) const { agree_on(failure_of(work)); }

void ExportComm::agree_on(const std::optional<Error>& failure) const {
  const int mine = failure ? rank_ : size_;
  int lowest = size_;
  MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, comm_);
  if (lowest == size_) return;
  std::string text = failure && rank_ == lowest ? failure->what() : "";
  std::array<int, 3> head{};
  if (failure && rank_ == lowest)
    head = {static_cast<int>(failure->code()), failure->retryable() ? 1 : 0, static_cast<int>(text.size())};
  MPI_Bcast(head.data(), static_cast<int>(head.size()), MPI_INT, lowest, comm_);
  text.resize(static_cast<std::size_t>(head[2]));
  MPI_Bcast(text.data(), head[2], MPI_CHAR, lowest, comm_);
  throw Error{static_cast<ErrorCode>(head[0]), text, head[1] != 0};
}

std::string ExportComm::broadcast(std::string text) const {
  int size = static_cast<int>(text.size());
  MPI_Bcast(&size, 1, MPI_INT, 0, comm_);
  text.resize(static_cast<std::size_t>(size));
  MPI_Bcast(text.data(), size, MPI_CHAR, 0, comm_);
  return text;
}

}  // namespace petavox::detail
