// SPDX-License-Identifier: Apache-2.0
//
// What the numbers were measured on, and what else went on there.
#ifndef UARENA_BENCH_RESULTS_MACHINE_H_
#define UARENA_BENCH_RESULTS_MACHINE_H_

#include <cstdint>
#include <string>

#include "uarena/arena.h"

namespace uarena::bench {

struct Machine {
  long cpus = 0;
  std::string cpu_model;
  uint64_t memory_bytes = 0;
  double clock_ns = 0;  // what one reading of the clock costs
  KernelAbilities abilities;
};

Machine DescribeMachine();

// Processor time of the whole machine, of this process and its ended children, and what the host
// of a virtual machine gave to others; seconds since some time in the past.
struct CpuTimes {
  double busy = 0;
  double own = 0;
  double stolen = 0;
};
CpuTimes ReadCpuTimes();

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_MACHINE_H_
