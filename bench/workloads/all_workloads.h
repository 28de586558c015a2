// SPDX-License-Identifier: Apache-2.0
//
// The lists of workloads.
#ifndef UARENA_BENCH_WORKLOADS_ALL_WORKLOADS_H_
#define UARENA_BENCH_WORKLOADS_ALL_WORKLOADS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/workloads/workload.h"

namespace uarena::bench {

using Workloads = std::vector<std::unique_ptr<Workload>>;

// How much a repetition does.
struct Effort {
  uint64_t pages;      // worked on, where a workload can have as many
  uint64_t fragments;  // of the fragmented arenas
  uint64_t openings;
  std::chrono::nanoseconds contention;  // how long several processes work at the same time
};

// The workloads called `names`, in the order of the report; no names: all.
Workloads MakeWorkloads(const std::vector<std::string>& names, const Effort& effort,
                        size_t page_size);

// What is plotted against the window: sequential first touch, under the name kByWindow.
inline constexpr char kByWindow[] = "seq_first_touch_by_window";
Workloads MakeWindowWorkloads(const Effort& effort, size_t page_size);

// What is plotted against the arena's size: allocation of single pages in fragmented arenas, and
// the sizes by the workloads' names.
Workloads MakeArenaSizeWorkloads(const Effort& effort, size_t page_size);
std::vector<std::pair<std::string, uint64_t>> ArenaSizesGib();

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOADS_ALL_WORKLOADS_H_
