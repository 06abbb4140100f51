file(GLOB peer_families CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/peers/families/*.cpp)
add_executable(peer_kernels peers/main.cpp peers/npy.cpp ${peer_families})
target_include_directories(peer_kernels PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/peers)
target_link_libraries(peer_kernels PRIVATE petavox_kept_pages petavox_stage_boundary petavox_stage_components petavox_stage_distance
  petavox_stage_long_range petavox_stage_mutex_watershed petavox_stage_phantom petavox_stage_size_merge petavox_stage_watershed petavox_warnings)
