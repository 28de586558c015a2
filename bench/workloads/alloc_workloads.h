// SPDX-License-Identifier: Apache-2.0
//
// Allocating and freeing pages in one process.
#ifndef UARENA_BENCH_WORKLOADS_ALLOC_WORKLOADS_H_
#define UARENA_BENCH_WORKLOADS_ALLOC_WORKLOADS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/workloads/workload.h"

namespace uarena::bench {

// Allocates `run` pages and touches them all, again and again until `pages` pages are through; a
// sample is one such round. `reuse`: each run is freed, outside of the time measured, before the
// next is allocated, and the first rounds are not measured. Otherwise all are kept.
std::unique_ptr<Workload> AllocTouch(std::string name, std::string title, uint64_t run, bool reuse,
                                     uint64_t pages, size_t page_size);

// Allocates `run` pages and frees them, untouched, in batches of which each is a sample, the first
// not measured.
std::unique_ptr<Workload> Churn(std::string name, std::string title, uint64_t run, uint64_t pages,
                                size_t page_size);

// Allocates up to `pages` single pages in an arena of `span_bytes` of which a tenth is taken, by
// `fragments` reserved runs of equal length at random places; always the same. A sample is a batch
// of allocations.
std::unique_ptr<Workload> FragmentedAlloc(std::string name, std::string title, uint64_t span_bytes,
                                          uint64_t fragments, uint64_t pages, size_t page_size);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOADS_ALLOC_WORKLOADS_H_
