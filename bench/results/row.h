// SPDX-License-Identifier: Apache-2.0
//
// A row of the report: one workload on one subject. Pure.
#ifndef UARENA_BENCH_RESULTS_ROW_H_
#define UARENA_BENCH_RESULTS_ROW_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/results/statistics.h"
#include "bench/support/counters.h"

namespace uarena::bench {

struct Row {
  // `samples` are sorted; see Summarize.
  void AddRepetition(std::span<uint32_t> samples, uint64_t pages_per_sample, Counters found);

  std::string workload;
  std::string title;  // of the workload
  std::string subject;
  std::string skipped;  // why there are no numbers; empty: there are

  uint64_t pages = 0;  // of the last repetition
  std::vector<Summary> repetitions;
  std::vector<Counters> counters_of_repetitions;
  Summary summary;            // MedianSummary of the repetitions
  Counters counters;          // medians, too
  Distribution distribution;  // of the samples of all repetitions
};

// Null if there is none.
const Row* FindRow(const std::vector<Row>& rows, const std::string& workload,
                   const std::string& subject);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_ROW_H_
