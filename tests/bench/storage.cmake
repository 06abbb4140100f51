add_executable(codec_bench codec_bench.cpp)
add_executable(storage_bench storage_bench.cpp)
foreach(bench codec_bench storage_bench)
  target_link_libraries(${bench} PRIVATE petavox::io petavox_warnings)
endforeach()
# Calls blosc itself, to compare with.
add_executable(block_io_bench block_io_bench.cpp)
target_include_directories(block_io_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(block_io_bench PRIVATE petavox_kept_pages petavox_hdf5 petavox::io PkgConfig::BLOSC petavox_warnings)
