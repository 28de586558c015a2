// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/heap_workload.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace uarena::bench {

absl::Status HeapWorkload::Run(HeapSubject& subject, Samples* samples, Counters* counters) {
  const absl::StatusOr<std::unique_ptr<BenchHeap>> heap = subject.Make(need());
  if (!heap.ok()) return heap.status();
  if (absl::Status status = Measure(**heap, samples, counters); !status.ok()) return status;
  if (samples->wrong_pages() == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(samples->wrong_pages(), " blocks did not hold what they should"));
}

}  // namespace uarena::bench
