# SPDX-License-Identifier: Apache-2.0
#
# Cuts the first ```cpp block out of the README, compiles it against the library, runs it, and compares what it
# prints with the README's first ```text block after it.
file(READ ${README} text)
string(REGEX MATCH "```cpp\n([^`]*)```" _ "${text}")
set(source "${CMAKE_MATCH_1}")
string(REGEX MATCH "```text\n([^`]*)```" _ "${text}")
set(expected "${CMAKE_MATCH_1}")
if(source STREQUAL "" OR expected STREQUAL "")
  message(FATAL_ERROR "the README has no example, or does not say what it prints")
endif()
file(MAKE_DIRECTORY ${WORK})
file(WRITE ${WORK}/example.cc "${source}")
execute_process(COMMAND pkg-config --libs absl_statusor absl_status absl_strings absl_str_format
  OUTPUT_VARIABLE libraries OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(libraries)
if(SANITIZE)
  set(FLAGS -fsanitize=${SANITIZE})
endif()
execute_process(COMMAND ${CXX} -std=c++20 -Wall -Wextra -Werror ${FLAGS} -I${INCLUDE}
  ${WORK}/example.cc -o ${WORK}/example ${LIBRARY} ${libraries} -pthread COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/example OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "the README's example prints\n${printed}\nand the README says\n${expected}")
endif()
