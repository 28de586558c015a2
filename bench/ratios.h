// SPDX-License-Identifier: Apache-2.0
//
// The numbers that the project is judged by: uarena with default options ÷ something else. Pure.
#ifndef UARENA_BENCH_RATIOS_H_
#define UARENA_BENCH_RATIOS_H_

#include <optional>
#include <string>
#include <vector>

#include "bench/runner.h"

namespace uarena::bench {

struct Ratio {
  std::string key;  // "workload/subject"
  std::optional<double> value;
  std::string note;  // what ÷ what, or why there is no value
};

// `default_subject`: see DefaultSubjectName.
std::vector<Ratio> ComputeRatios(const std::vector<Row>& rows, const std::string& default_subject);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RATIOS_H_
