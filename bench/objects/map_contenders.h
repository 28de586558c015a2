// SPDX-License-Identifier: Apache-2.0
//
// std::unordered_map<uint64_t, uint64_t> with the same elements, inserted in the same order, looked
// for in the same order, and with the same hash; only the allocator differs.
#ifndef UARENA_BENCH_OBJECTS_MAP_CONTENDERS_H_
#define UARENA_BENCH_OBJECTS_MAP_CONTENDERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/objects/contender.h"

namespace uarena::bench {

// A slice is `finds_per_slice` finds of random keys that the map of `elements` elements has.
std::vector<std::unique_ptr<Contender>> MapContenders(uint64_t elements, uint64_t slices,
                                                      uint64_t finds_per_slice);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_MAP_CONTENDERS_H_
