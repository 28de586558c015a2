# SPDX-License-Identifier: Apache-2.0
#
# Cuts each ```cpp block out of the README, compiles it against the library, runs it, and compares what it
# prints with the ```text block after it.
file(READ ${README} text)
file(MAKE_DIRECTORY ${WORK})
execute_process(COMMAND pkg-config --libs absl_statusor absl_status absl_strings absl_str_format
  OUTPUT_VARIABLE libraries OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(libraries)
if(SANITIZE)
  set(FLAGS -fsanitize=${SANITIZE})
endif()

# cut(FENCE RESULT): the next block that begins with FENCE, which is taken off the text with all before
# it; empty if there is none.
function(cut fence result)
  set(${result} "" PARENT_SCOPE)
  string(FIND "${text}" "${fence}" start)
  if(start EQUAL -1)
    return()
  endif()
  string(LENGTH "${fence}" length)
  math(EXPR start "${start} + ${length}")
  string(SUBSTRING "${text}" ${start} -1 text)
  string(FIND "${text}" "```" length)
  string(SUBSTRING "${text}" 0 ${length} block)
  string(SUBSTRING "${text}" ${length} -1 text)
  set(${result} "${block}" PARENT_SCOPE)
  set(text "${text}" PARENT_SCOPE)
endfunction()

set(examples 0)
cut("```cpp\n" source)
while(NOT source STREQUAL "")
  cut("```text\n" expected)
  math(EXPR examples "${examples} + 1")
  set(program ${WORK}/example${examples})
  file(WRITE ${program}.cc "${source}")
  execute_process(COMMAND ${CXX} -std=c++20 -Wall -Wextra -Werror ${FLAGS} -I${INCLUDE}
    ${program}.cc -o ${program} ${LIBRARY} ${libraries} -pthread COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${program} OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
  if(expected STREQUAL "" OR NOT printed STREQUAL expected)
    message(FATAL_ERROR "example ${examples} of the README prints\n${printed}\nand the README says\n${expected}")
  endif()
  cut("```cpp\n" source)
endwhile()
if(examples LESS 2)
  message(FATAL_ERROR "the README has ${examples} examples; there should be one of pages and one of objects")
endif()
