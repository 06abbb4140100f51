# How every target of petavox is compiled, and the functions that declare layers and tests.

add_library(petavox_options INTERFACE)
target_compile_features(petavox_options INTERFACE cxx_std_20)
# Floating point must not depend on the instruction set: no contraction, never -ffast-math.
target_compile_options(petavox_options INTERFACE -ffp-contract=off)
target_compile_definitions(petavox_options INTERFACE $<$<BOOL:${PETAVOX_CHECKED}>:PETAVOX_CHECKED>)

add_library(petavox_warnings INTERFACE)
target_compile_options(petavox_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion
  $<$<BOOL:${PETAVOX_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 gives false alarms here about std::string and std::vector (its bugs 105651, 105562, 107852).
  target_compile_options(petavox_warnings INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(PETAVOX_SANITIZE)
  target_compile_options(petavox_options INTERFACE -fsanitize=${PETAVOX_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(petavox_options INTERFACE -fsanitize=${PETAVOX_SANITIZE})
endif()

set_property(GLOBAL PROPERTY PETAVOX_INSTALLED_TARGETS petavox_options)

# petavox_add_library(name SOURCES … [LINKS PUBLIC-targets…] [PRIVATE private-targets…])
# A static library petavox_<name>, alias petavox::<name>, installed and exported.
function(petavox_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 L "" "" "SOURCES;LINKS;PRIVATE")
  add_library(petavox_${name} STATIC ${L_SOURCES})
  add_library(petavox::${name} ALIAS petavox_${name})
  target_include_directories(petavox_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/framework> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(petavox_${name} PUBLIC petavox_options ${L_LINKS}
    PRIVATE ${L_PRIVATE} $<BUILD_INTERFACE:petavox_warnings>)
  set_target_properties(petavox_${name} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY PETAVOX_INSTALLED_TARGETS petavox_${name})
endfunction()

# petavox_add_test(name SOURCES … LIBS … [RANKS 1 2 4] [TIMEOUT s] [LABELS …])
# A GoogleTest program; with RANKS, one test for each rank count under mpirun (its main comes from
# tests/ranks/main.cpp and the result is the maximum over ranks).
function(petavox_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "TIMEOUT" "SOURCES;LIBS;RANKS;LABELS")
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE ${T_LIBS} petavox_warnings)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  if(PETAVOX_QUICK_TESTS)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  if(T_RANKS)
    target_link_libraries(${name} PRIVATE petavox_ranks_main)
    foreach(n IN LISTS T_RANKS)
      add_test(NAME ${name}.np${n}
        COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${n} ${PETAVOX_MPIEXEC_FLAGS} $<TARGET_FILE:${name}>)
      set_tests_properties(${name}.np${n} PROPERTIES PROCESSORS ${n} TIMEOUT ${T_TIMEOUT}
        LABELS "ranks;${T_LABELS}" ENVIRONMENT "${PETAVOX_RANKS_ENVIRONMENT}")
    endforeach()
  else()
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}"
      ENVIRONMENT "${PETAVOX_MPI_ENVIRONMENT}")
  endif()
endfunction()
