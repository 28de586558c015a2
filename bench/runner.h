// SPDX-License-Identifier: Apache-2.0
//
// Runs measurements. One repetition is all of them, one after the other, then all again, so that
// what changes on the machine meanwhile happens to every subject and to every workload.
#ifndef UARENA_BENCH_RUNNER_H_
#define UARENA_BENCH_RUNNER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/results/row.h"
#include "bench/subjects/subject.h"
#include "bench/support/counters.h"
#include "bench/support/samples.h"
#include "bench/workloads/workload.h"

namespace uarena::bench {

// What a row gets out of one repetition.
struct Outcome {
  explicit Outcome(size_t max_samples) : samples(max_samples) {}

  Samples samples;
  Counters counters;
};

// One row, or several of one workload whose subjects take turns within a repetition.
struct Measurement {
  // Without numbers. Those that have a reason to be skipped are not measured.
  std::vector<Row> rows;
  uint64_t units_per_sample = 1;
  uint64_t max_samples = 0;  // of each row
  // One repetition: adds to an outcome for each row, cleared before. An error is a failure, wrong
  // contents included. Repetitions with different seeds write different contents.
  std::function<absl::Status(uint64_t seed, std::span<Outcome* const> outcomes)> run;
};

// Every workload on every subject, workload by workload. The measurements refer to both.
std::vector<Measurement> MeasureEach(const std::vector<std::unique_ptr<Workload>>& workloads,
                                     const std::vector<std::unique_ptr<Subject>>& subjects);

// The rows of the measurements, in their order. Progress goes to stderr. Stops at the first
// failure.
absl::StatusOr<std::vector<Row>> RunAll(std::vector<Measurement> measurements, int repetitions);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RUNNER_H_
