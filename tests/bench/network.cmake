if(PETAVOX_WITH_ONEDNN)
  petavox_add_benchmark(network_bench SOURCES network_bench.cpp LIBS petavox_stage_network)
endif()
