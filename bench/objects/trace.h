// SPDX-License-Identifier: Apache-2.0
//
// A trace of allocations and frees, such as a program that keeps an index or a cache in memory
// makes while it serves requests. Always the same for a given length.
//
// It comes in four phases:
//   load       a fifth of the allocations; nearly half of them stay
//   serve      most blocks live no longer than their request; as many of those that stay are
//              replaced as are added
//   turnover   a third of the allocations stay, more of them large, and more than that many of
//   those
//              that had stayed are freed, at random places
//   serve      again
//
// Sizes: 87 % are of 16 to 256 bytes, half of these of one of 13 sizes as a program's types have
// them, the commoner the smaller, the others uniform in their logarithm, as strings; 12 % (in the
// turnover 20 %) up to 4 KiB, 0.95 % up to 32 KiB and 0.05 % up to 256 KiB, all uniform in their
// logarithm.
//
// Lifetimes: a request is 4 to 64 allocations. What is short-lived is freed at its end, the last
// first, but for one block in ten. What is not stays for a time that is exponentially distributed,
// with a mean of 20,000 allocations, or until it is replaced, or for good.
#ifndef UARENA_BENCH_OBJECTS_TRACE_H_
#define UARENA_BENCH_OBJECTS_TRACE_H_

#include <cstdint>
#include <vector>

namespace uarena::bench {

struct TraceOperation {
  uint32_t slot;       // whose block it is: one that has none if it is allocated, else that one
  uint32_t size : 31;  // of the block
  uint32_t frees : 1;  // or allocates
};

struct Trace {
  std::vector<TraceOperation> operations;
  uint32_t slots = 0;
  std::vector<uint32_t> live_sizes;  // at the end, by slot; 0: the slot has no block
  uint64_t live_bytes = 0;           // at the end: the sum of the sizes
  uint64_t peak_bytes = 0;           // the largest that it ever was
};

constexpr int kLongestRequest = 64;

// The last request is made in full.
Trace MakeTrace(uint64_t allocations);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_TRACE_H_
