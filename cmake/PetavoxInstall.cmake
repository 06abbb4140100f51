# Install rules and the exported package: find_package(petavox [COMPONENTS testing run mpi]).
include(CMakePackageConfigHelpers)
include(PetavoxPlugin)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/petavox)
# Headers keep their paths ("petavox/…", "stages/…") below a directory of their own.
set(header_dir ${CMAKE_INSTALL_INCLUDEDIR}/petavox-${PROJECT_VERSION_MAJOR})

get_property(installed_targets GLOBAL PROPERTY PETAVOX_INSTALLED_TARGETS)
set_target_properties(petavox_options PROPERTIES EXPORT_NAME options)
install(TARGETS ${installed_targets} EXPORT petavoxTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/petavox
  INCLUDES DESTINATION ${header_dir})
install(EXPORT petavoxTargets NAMESPACE petavox:: DESTINATION ${package_dir})
if(TARGET petavox)
  install(TARGETS petavox RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/framework/petavox DESTINATION ${header_dir} FILES_MATCHING PATTERN *.hpp)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/stages DESTINATION ${header_dir} FILES_MATCHING PATTERN *.hpp
  PATTERN example EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/petavox)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/slurm DESTINATION ${CMAKE_INSTALL_DATADIR}/petavox USE_SOURCE_PERMISSIONS)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/petavoxConfig.cmake.in
  ${PROJECT_BINARY_DIR}/petavoxConfig.cmake INSTALL_DESTINATION ${package_dir})
# Plugins depend on types, which may change with every minor version as long as the major one is 0.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/petavoxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/petavoxConfig.cmake ${PROJECT_BINARY_DIR}/petavoxConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/PetavoxPlugin.cmake DESTINATION ${package_dir})
