// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_WORKLOADS_OPEN_WORKLOAD_H_
#define UARENA_BENCH_WORKLOADS_OPEN_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/workloads/workload.h"

namespace uarena::bench {

// Until a process that has no memory of the subject has written to the first page of it: a sample
// is one such opening, each in a child of its own. Counter "rss_kib": what that adds to VmRSS
// there.
class OpenMemory : public Workload {
 public:
  OpenMemory(std::string name, std::string title, uint64_t span_bytes, uint64_t openings,
             size_t page_size);

  Need need() const override { return {.span_bytes = span_bytes_, .touched_2mib = 1}; }

 protected:
  absl::Status MapAndMeasure(Subject& subject, uint64_t seed, Samples* samples,
                             Counters* counters) override;

 private:
  const uint64_t span_bytes_;
  const size_t page_size_;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOADS_OPEN_WORKLOAD_H_
