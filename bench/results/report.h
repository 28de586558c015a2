// SPDX-License-Identifier: Apache-2.0
//
// The results as a table for people and as JSON for programs.
#ifndef UARENA_BENCH_RESULTS_REPORT_H_
#define UARENA_BENCH_RESULTS_REPORT_H_

#include <stdio.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/results/machine.h"
#include "bench/results/ratios.h"
#include "bench/results/row.h"

namespace uarena::bench {

struct Report {
  Machine machine;
  int repetitions = 0;
  double seconds = 0;  // of the whole run
  CpuTimes used;       // meanwhile
  std::vector<Row> rows;
  std::vector<Ratio> ratios;
};

void PrintReport(const Report& report, FILE* out);

absl::Status WriteJson(const Report& report, const std::string& path);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_REPORT_H_
