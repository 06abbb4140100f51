# cmake -DEXPECT=<code> [-DOUTPUT=<text>] -DCOMMAND="program;argument;…" -P expect_exit.cmake
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err TIMEOUT 60)
if(NOT code STREQUAL "${EXPECT}")
  message(FATAL_ERROR "exit code ${code} instead of ${EXPECT} from ${COMMAND}\n${out}\n${err}")
endif()
if(OUTPUT AND NOT "${out}${err}" MATCHES "${OUTPUT}")
  message(FATAL_ERROR "no '${OUTPUT}' in the output of ${COMMAND}\n${out}\n${err}")
endif()
