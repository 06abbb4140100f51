#include "petavox/comm/launch.hpp"

#include "petavox/base/error.hpp"

#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace petavox {
namespace {

struct LaunchRow {
  std::vector<std::pair<std::string, std::string>> environment;
  Launch launch;
};

TEST(Launch, is_read_from_the_environment) {
  const char* const known[] = {
      "OMPI_COMM_WORLD_SIZE", "PMIX_RANK",      "PMI_RANK",      "PMI_SIZE",
      "MPI_LOCALNRANKS",      "HYDRA_PROXY_ID", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS"};
  const std::vector<LaunchRow> rows{
      {{}, Launch::alone},
      {{{"OMPI_COMM_WORLD_SIZE", "1"}}, Launch::mpi},
      {{{"OMPI_COMM_WORLD_SIZE", ""}}, Launch::alone},
      {{{"PMIX_RANK", "0"}}, Launch::mpi},
      {{{"PMI_RANK", "3"}}, Launch::mpi},
      {{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}}, Launch::srun_without_mpi},
      {{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}, Launch::alone},
      {{{"SLURM_STEP_ID", "4294967291"}}, Launch::alone},
      {{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"PMIX_RANK", "2"}}, Launch::mpi},
      {{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"OMPI_COMM_WORLD_SIZE", "4"}}, Launch::mpi},
  };
  for (const auto& row : rows) {
    std::string shown;
    for (const char* name : known) unsetenv(name);
    for (const auto& [name, value] : row.environment) {
      setenv(name.c_str(), value.c_str(), 1);
      shown += name + "=" + value + " ";
    }
    EXPECT_EQ(detect_launch(), row.launch) << shown;
  }
  for (const char* name : known) unsetenv(name);
}

TEST(Launch, unconnected_srun_is_refused) {
  EXPECT_NO_THROW(require_connected_launch(Launch::alone));
  EXPECT_NO_THROW(require_connected_launch(Launch::mpi));
  try {
    require_connected_launch(Launch::srun_without_mpi);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    EXPECT_NE(std::string{error.what()}.find("srun --mpi=pmix"), std::string::npos);
  }
}

}  // namespace
}  // namespace petavox
