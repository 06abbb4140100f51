# petavox_add_stage_plugin(name sources…)
# A shared library lib<name>.so with stages, for `--plugin` and `plugins:`. It carries the petavox code that it needs,
# hidden, so that it works in every program with the same plugin ABI.
function(petavox_add_stage_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE petavox::stage petavox::reduce)
  target_link_options(${name} PRIVATE LINKER:--exclude-libs,ALL LINKER:-z,defs)
endfunction()
