// SPDX-License-Identifier: Apache-2.0
//
// The results as a table for people and as JSON for programs.
#ifndef UARENA_BENCH_REPORT_H_
#define UARENA_BENCH_REPORT_H_

#include <stdio.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/machine.h"
#include "bench/ratios.h"
#include "bench/runner.h"

namespace uarena::bench {

struct Report {
  Machine machine;
  int repetitions = 0;
  std::vector<Row> rows;
  std::vector<Ratio> ratios;
};

// `titles[i]` describes the workload of the i-th group of rows, in the order of the rows.
void PrintReport(const Report& report, const std::vector<std::string>& titles, FILE* out);

absl::Status WriteJson(const Report& report, const std::string& path);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_REPORT_H_
