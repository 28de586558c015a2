// SPDX-License-Identifier: Apache-2.0
//
// Contenders that take turns.
#ifndef UARENA_BENCH_OBJECTS_TURNS_H_
#define UARENA_BENCH_OBJECTS_TURNS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/objects/contender.h"
#include "bench/runner.h"

namespace uarena::bench {

struct Turns {
  std::string name;   // as in the JSON
  std::string title;  // for people
  uint64_t units_per_slice = 1;
  uint64_t slices = 0;
  std::vector<std::unique_ptr<Contender>> contenders;
};

// A row for each contender. Every second round of turns is in reverse order, so that none always
// finds what one and the same other has left in the caches. A sample is a slice.
Measurement MeasureInTurns(Turns turns);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_TURNS_H_
