// SPDX-License-Identifier: Apache-2.0
//
// Touching pages, each once, with a sample for each.
#ifndef UARENA_BENCH_WORKLOADS_TOUCH_WORKLOADS_H_
#define UARENA_BENCH_WORKLOADS_TOUCH_WORKLOADS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/workloads/workload.h"

namespace uarena::bench {

// Pages that nobody has touched, in order.
std::unique_ptr<Workload> SequentialTouch(std::string name, std::string title, uint64_t pages,
                                          size_t page_size);

// One page at a random place of each of `blocks` blocks of 2 MiB, in random order; always the same.
std::unique_ptr<Workload> ScatteredTouch(std::string name, std::string title, uint64_t blocks,
                                         size_t page_size);

// Pages that exist but are not mapped where they are touched.
std::unique_ptr<Workload> SecondProcessTouch(std::string name, std::string title, uint64_t pages,
                                             size_t page_size);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOADS_TOUCH_WORKLOADS_H_
