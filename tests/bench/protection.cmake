# petavox once more, without checksums and syncs: what protection costs (protection_bench.py).
add_executable(petavox_unprotected unprotected.cpp $<TARGET_OBJECTS:petavox>)
target_include_directories(petavox_unprotected PRIVATE ${XXHASH_INCLUDE_DIR})
target_link_libraries(petavox_unprotected PRIVATE $<TARGET_PROPERTY:petavox,LINK_LIBRARIES>)
