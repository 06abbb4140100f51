#include "petavox/comm/mpi_session.hpp"

#include "petavox/base/log.hpp"
#include "petavox/comm/mpi_detail.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string>

#include <boost/mpi/environment.hpp>
#include <mpi.h>

namespace petavox {
namespace {

// The exit code of what is being thrown, after logging it.
int code_of_current_exception() {
  try {
    throw;
  } catch (const Error& error) {
    log::error(error.what());
    return static_cast<int>(exit_code_of(error.code()));
  } catch (const std::bad_alloc&) {
    log::error("out of memory (the rank cannot go on); use smaller blocks, or fewer ranks on a node");
    return static_cast<int>(exit_code_of(ErrorCode::resource));
  } catch (const std::exception& error) {
    log::error(std::string{error.what()} + " (an error that petavox does not expect); please report it");
  } catch (...) {
    log::error("something that is no exception was thrown (probably by a plugin); please report it");
  }
  return static_cast<int>(ExitCode::internal);
}

}  // namespace

namespace detail {

void end_without_finalize(int code, Reach reach) {
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  MPI_Abort(reach == Reach::all_ranks ? MPI_COMM_WORLD : MPI_COMM_SELF, code);
  std::_Exit(code);  // MPI_Abort has no promise not to return
}

}  // namespace detail

int run_guarded(int& argc, char**& argv, const std::function<int(Communicator&)>& body,
                const MpiOptions& options) {
  namespace mpi = boost::mpi;
  const mpi::environment session{argc, argv, mpi::threading::serialized, /*abort_on_exception=*/false};
  int code = 0;
  bool threw = false;
  try {
    if (mpi::environment::thread_level() < mpi::threading::serialized)
      throw Error{ErrorCode::config,
                  "this MPI supports no threads (workers compute and talk in different ones); "
                  "use an MPI that provides MPI_THREAD_SERIALIZED"};
    const auto comm = make_mpi_communicator(options);
    try {
      code = body(*comm);
    } catch (...) {
      code = code_of_current_exception();
      threw = true;
    }
    // The others may be waiting for this rank, and only an abort frees them.
    if (threw && comm->size() > 1) comm->abort(code);
    if (detail::lost_peer(*comm)) detail::end_without_finalize(code, detail::Reach::this_rank);
    if (!comm->flush(std::chrono::minutes{1})) {
      log::error(
          "messages that nobody received at the end of the run (MPI would wait for ever); please report it");
      comm->abort(code == 0 ? static_cast<int>(ExitCode::internal) : code);
    }
  } catch (...) {
    detail::end_without_finalize(code_of_current_exception(), detail::Reach::all_ranks);
  }
  return code;
}

}  // namespace petavox
