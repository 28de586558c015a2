// SPDX-License-Identifier: Apache-2.0
//
// The numbers that the project is judged by: uarena ÷ something else, and a few that stand alone.
// Pure.
#ifndef UARENA_BENCH_RESULTS_RATIOS_H_
#define UARENA_BENCH_RESULTS_RATIOS_H_

#include <optional>
#include <string>
#include <vector>

#include "bench/results/row.h"
#include "bench/results/statistics.h"

namespace uarena::bench {

struct Ratio {
  std::string key;
  std::string meaning;          // what ÷ what, by which statistic
  std::optional<double> value;  // from the medians over all repetitions
  Range range;                  // of the values that the single repetitions give
  std::string missing;          // why there is no value; empty: there is
};

// All of them, whatever `rows` has. `default_subject`: see DefaultSubjectName.
std::vector<Ratio> ComputeRatios(const std::vector<Row>& rows, const std::string& default_subject);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_RATIOS_H_
