// SPDX-License-Identifier: Apache-2.0
//
// Locks that nobody else wants.
#ifndef UARENA_BENCH_OBJECTS_MUTEX_CONTENDERS_H_
#define UARENA_BENCH_OBJECTS_MUTEX_CONTENDERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/objects/contender.h"

namespace uarena::bench {

// A slice is so many times locking one mutex, adding to what it guards, and unlocking it.
std::vector<std::unique_ptr<Contender>> MutexContenders(uint64_t times_per_slice);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_MUTEX_CONTENDERS_H_
