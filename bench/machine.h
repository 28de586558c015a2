// SPDX-License-Identifier: Apache-2.0
//
// What the numbers were measured on.
#ifndef UARENA_BENCH_MACHINE_H_
#define UARENA_BENCH_MACHINE_H_

#include <cstdint>
#include <string>

#include "uarena/arena.h"

namespace uarena::bench {

struct Machine {
  long cpus = 0;
  std::string cpu_model;
  uint64_t memory_bytes = 0;
  double clock_ns = 0;  // what one reading of the clock costs; every sample has it in it
  KernelAbilities abilities;
};

Machine DescribeMachine();

}  // namespace uarena::bench

#endif  // UARENA_BENCH_MACHINE_H_
