# SPDX-License-Identifier: Apache-2.0
#
# Checks the JSON that the benchmark writes: every ratio that the project promises is there, a number or null with
# a reason, and no other; rows have all their numbers or a reason.
set(expected
  alloc_1TiB/alloc_1GiB
  alloc_2procs/alloc_1proc
  alloc_touch_512/bpf_arena
  alloc_touch_512_reused/bpf_arena
  churn_1/bpf_arena
  churn_16/bpf_arena
  churn_16_zap/bpf_arena
  churn_512/bpf_arena
  heap_64B/boost_interprocess
  heap_64B_2procs/boost_interprocess
  heap_mixed/glibc_malloc
  heap_overhead
  huge_seq_first_touch/bpf_arena
  mutex_uncontended/absl_mutex
  open_1TiB_rss_kib
  open_1TiB_us
  scattered_first_touch/bpf_arena
  scattered_first_touch/naive_uffd
  second_process_touch/bpf_arena
  seq_first_touch/bpf_arena
  seq_first_touch/memfd
  served_scattered_p50/naive_uffd
  served_seq/naive_uffd
  unordered_map_find/process_local)

file(READ ${JSON} json)

string(JSON count LENGTH "${json}" ratios)
math(EXPR last "${count} - 1")
set(found)
foreach(i RANGE ${last})
  string(JSON key MEMBER "${json}" ratios ${i})
  list(APPEND found ${key})
  string(JSON type TYPE "${json}" ratios ${key})
  if(type STREQUAL "NULL")
    string(JSON reason GET "${json}" missing ${key})
    message(STATUS "${key}: none, since ${reason}")
  elseif(NOT type STREQUAL "NUMBER")
    message(FATAL_ERROR "${key} is a ${type}")
  endif()
endforeach()
list(SORT expected)
list(SORT found)
if(NOT found STREQUAL expected)
  message(FATAL_ERROR "the ratios are\n${found}\nand should be\n${expected}")
endif()

string(JSON count LENGTH "${json}" rows)
math(EXPR last "${count} - 1")
foreach(i RANGE ${last})
  string(JSON row GET "${json}" rows ${i})
  foreach(key name subject pages)
    string(JSON value GET "${row}" ${key})
  endforeach()
  string(JSON skipped ERROR_VARIABLE not_skipped GET "${row}" skipped)
  if(not_skipped)
    foreach(key mean p50 p90 p99 min max)
      string(JSON type TYPE "${row}" ns_per_page ${key})
      if(NOT type STREQUAL "NUMBER")
        message(FATAL_ERROR "ns_per_page.${key} is a ${type}: ${row}")
      endif()
    endforeach()
  endif()
endforeach()
