// SPDX-License-Identifier: Apache-2.0
//
// Several processes that allocate single pages of one arena at the same time.
#ifndef UARENA_BENCH_WORKLOADS_CONTENDED_WORKLOAD_H_
#define UARENA_BENCH_WORKLOADS_CONTENDED_WORKLOAD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bench/workloads/workload.h"

namespace uarena::bench {

// Each process allocates a page and frees it, or keeps it if not `frees`, over and over. All start
// together and end as soon as one has worked for `duration` or has had `pages` pages. A sample is a
// batch of one process, its time divided by the number of processes: the mean of all samples is
// then the time that passes for each page that any process gets.
class ContendedAlloc : public MappedWorkload {
 public:
  ContendedAlloc(std::string name, std::string title, int processes, bool frees, uint64_t pages,
                 std::chrono::nanoseconds duration, size_t page_size);

  Need need() const override;

 protected:
  absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) override;

 private:
  struct State;
  absl::Status Work(Memory& memory, uint64_t seed, State& state, Samples* samples) const;

  const int processes_;
  const bool frees_;
  const uint64_t batches_;  // of each process, at most
  const std::chrono::nanoseconds duration_;
  const size_t page_size_;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOADS_CONTENDED_WORKLOAD_H_
