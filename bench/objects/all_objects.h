// SPDX-License-Identifier: Apache-2.0
//
// The list of what is measured of objects: heaps, containers, locks.
#ifndef UARENA_BENCH_OBJECTS_ALL_OBJECTS_H_
#define UARENA_BENCH_OBJECTS_ALL_OBJECTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/runner.h"

namespace uarena::bench {

// How much a repetition does.
struct ObjectEffort {
  uint64_t pairs;        // of an allocation and a free, by each process
  uint64_t allocations;  // of the trace
  uint64_t elements;     // of a map; as many finds
};

// The operations called `operations` on the subjects called `subjects`, in the order of the report;
// no names: all.
std::vector<Measurement> MeasureObjects(const std::vector<std::string>& operations,
                                        const std::vector<std::string>& subjects,
                                        const ObjectEffort& effort);

// Adds the names that there are.
void AddObjectNames(std::vector<std::string>* operations, std::vector<std::string>* subjects);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_ALL_OBJECTS_H_
