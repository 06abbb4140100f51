add_executable(align_bench align_bench.cpp)
target_link_libraries(align_bench PRIVATE petavox_stage_align petavox_warnings)
target_include_directories(align_bench PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
