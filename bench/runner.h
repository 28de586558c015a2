// SPDX-License-Identifier: Apache-2.0
//
// Runs every workload on every subject. One repetition is all of them, one after the other: for
// each workload A B C …, then all again, so that what changes on the machine meanwhile happens to
// every subject and to every workload.
#ifndef UARENA_BENCH_RUNNER_H_
#define UARENA_BENCH_RUNNER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/results/row.h"
#include "bench/subjects/subject.h"
#include "bench/workloads/workload.h"

namespace uarena::bench {

// The rows, workload by workload. Progress goes to stderr. Stops at the first failure.
absl::StatusOr<std::vector<Row>> RunAll(const std::vector<std::unique_ptr<Workload>>& workloads,
                                        const std::vector<std::unique_ptr<Subject>>& subjects,
                                        int repetitions);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RUNNER_H_
