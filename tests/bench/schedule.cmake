petavox_add_benchmark(schedule_bench SOURCES schedule_bench.cpp ${PROJECT_SOURCE_DIR}/tests/unit/schedule/graphs.cpp
  LIBS petavox_schedule)

# Run under mpirun with 2 to 5 ranks.
add_executable(dispatch_bench dispatch_bench.cpp)
target_link_libraries(dispatch_bench PRIVATE petavox_mpi petavox_warnings)
add_executable(master_bench master_bench.cpp)
target_include_directories(master_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(master_bench PRIVATE petavox_run petavox_mpi petavox_warnings)

# What simulator_check.py runs.
add_library(drawn_sleep MODULE plugins/drawn_sleep.cpp)
target_link_libraries(drawn_sleep PRIVATE petavox_stage petavox_warnings)
