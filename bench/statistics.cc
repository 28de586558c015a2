// SPDX-License-Identifier: Apache-2.0
#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

namespace uarena::bench {
namespace {

double Percentile(std::span<const uint32_t> sorted, double fraction) {
  const double rank = std::ceil(fraction * static_cast<double>(sorted.size()));
  return sorted[std::max<size_t>(static_cast<size_t>(rank), 1) - 1];
}

}  // namespace

Summary Summarize(std::span<uint32_t> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const uint64_t sum = std::accumulate(samples.begin(), samples.end(), uint64_t{0});
  return {
      .mean = static_cast<double>(sum) / static_cast<double>(samples.size()),
      .p50 = Percentile(samples, 0.50),
      .p90 = Percentile(samples, 0.90),
      .p99 = Percentile(samples, 0.99),
      .min = static_cast<double>(samples.front()),
      .max = static_cast<double>(samples.back()),
  };
}

Summary MedianSummary(std::span<const Summary> repetitions) {
  if (repetitions.empty()) return {};
  auto median_of = [&](double Summary::*member) {
    std::vector<double> values;
    for (const Summary& repetition : repetitions) values.push_back(repetition.*member);
    return Median(std::move(values));
  };
  Summary result = {
      .mean = median_of(&Summary::mean),
      .p50 = median_of(&Summary::p50),
      .p90 = median_of(&Summary::p90),
      .p99 = median_of(&Summary::p99),
      .min = repetitions.front().min,
      .max = repetitions.front().max,
  };
  for (const Summary& repetition : repetitions) {
    result.min = std::min(result.min, repetition.min);
    result.max = std::max(result.max, repetition.max);
  }
  return result;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace uarena::bench
