// SPDX-License-Identifier: Apache-2.0
#include "bench/workloads/workload.h"

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace uarena::bench {

absl::Status Workload::Run(Subject& subject, uint64_t seed, Samples* samples, Counters* counters) {
  samples->Clear();
  counters->clear();
  if (absl::Status status = MapAndMeasure(subject, seed, samples, counters); !status.ok()) {
    return status;
  }
  if (samples->wrong_pages() == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(samples->wrong_pages(), " pages did not hold what they should"));
}

absl::Status MappedWorkload::MapAndMeasure(Subject& subject, uint64_t seed, Samples* samples,
                                           Counters* counters) {
  const absl::StatusOr<std::unique_ptr<Memory>> memory = subject.Map(need());
  if (!memory.ok()) return memory.status();
  absl::Status status = Measure(**memory, seed, samples);
  // They are about faults, which allocated pages do not have.
  if (status.ok() && !need().allocates) *counters = (*memory)->counters();
  return status;
}

}  // namespace uarena::bench
