petavox_add_benchmark(schedule_bench SOURCES schedule_bench.cpp ${PROJECT_SOURCE_DIR}/tests/unit/schedule/graphs.cpp
  LIBS petavox_schedule)

# Run under mpirun with 2 to 5 ranks.
add_executable(dispatch_bench dispatch_bench.cpp)
target_link_libraries(dispatch_bench PRIVATE petavox_mpi petavox_warnings)
