// SPDX-License-Identifier: Apache-2.0
//
// Runs every workload on every subject, interleaved: A B C … A B C …, so that what changes on the
// machine meanwhile happens to all of them.
#ifndef UARENA_BENCH_RUNNER_H_
#define UARENA_BENCH_RUNNER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/statistics.h"
#include "bench/subject.h"
#include "bench/workload.h"

namespace uarena::bench {

// One workload on one subject.
struct Row {
  std::string workload;
  std::string subject;
  uint64_t pages = 0;
  std::string skipped;  // why there are no numbers; empty: there are
  std::vector<Summary> repetitions;
  Summary summary;                    // MedianSummary of them
  std::optional<FaultCounts> counts;  // of the last repetition
};

// The rows, workload by workload. Progress goes to stderr. Stops at the first failure.
absl::StatusOr<std::vector<Row>> RunAll(const std::vector<std::unique_ptr<Workload>>& workloads,
                                        const std::vector<std::unique_ptr<Subject>>& subjects,
                                        int repetitions);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RUNNER_H_
