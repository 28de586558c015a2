# SPDX-License-Identifier: Apache-2.0
#
# Compiles the statement in statement.cc. MESSAGE: what the compiler must say as it refuses; empty if
# it must accept.
execute_process(COMMAND ${CXX} -std=c++20 -fsyntax-only -I${INCLUDE} "-DUARENA_STATEMENT=${STATEMENT}" ${SOURCE}
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(MESSAGE STREQUAL "")
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "should compile: ${STATEMENT}\n${output}")
  endif()
elseif(status EQUAL 0)
  message(FATAL_ERROR "should not compile: ${STATEMENT}")
elseif(NOT output MATCHES "static assertion failed[^\n]*${MESSAGE}")
  message(FATAL_ERROR "refused, but not for \"${MESSAGE}\": ${STATEMENT}\n${output}")
endif()
