#include "petavox/comm/launch.hpp"

#include "petavox/base/error.hpp"

#include <cstdlib>
#include <string>

namespace petavox {
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

}  // namespace

Launch detect_launch() {
  // Open MPI's mpirun; PMIx (srun --mpi=pmix, prrun); PMI-1/2 and Hydra (MPICH, Intel MPI).
  for (const char* name :
       {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", "HYDRA_PROXY_ID"})
    if (is_set(name)) return Launch::mpi;
  // A batch script's own shell is a Slurm step too, but without a number of tasks or with one only.
  if (is_set("SLURM_STEP_ID") && is_set("SLURM_STEP_NUM_TASKS") &&
      std::string{std::getenv("SLURM_STEP_NUM_TASKS")} != "1")
    return Launch::srun_without_mpi;
  return Launch::alone;
}

void require_connected_launch(Launch launch) {
  if (launch == Launch::srun_without_mpi)
    throw Error{
        ErrorCode::config,
        "srun started several tasks that MPI cannot connect (each would do the whole work and write the "
        "same files); use `srun --mpi=pmix` or `mpirun` inside the allocation"};
}

}  // namespace petavox
