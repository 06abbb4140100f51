# Included by CMakeLists.txt of this directory: configuration and plugins.
petavox_add_library(config SOURCES config.cpp config_emit.cpp config_inputs.cpp config_override.cpp config_skip.cpp config_yaml.cpp
  plugins.cpp sha256.cpp stage_programs.cpp
  LINKS petavox_isolation PRIVATE yaml-cpp fmt::fmt OpenSSL::Crypto ${CMAKE_DL_LIBS})
