// SPDX-License-Identifier: Apache-2.0
//
// From samples to the numbers of a row. Pure.
#ifndef UARENA_BENCH_STATISTICS_H_
#define UARENA_BENCH_STATISTICS_H_

#include <cstdint>
#include <span>
#include <vector>

namespace uarena::bench {

// Nanoseconds.
struct Summary {
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double min = 0;
  double max = 0;
};

// Of one repetition; sorts `samples`. Percentiles are samples (nearest rank). No samples: zeros.
Summary Summarize(std::span<uint32_t> samples);

// Of several repetitions: the medians of their means and percentiles, the least min, the largest
// max. No repetitions: zeros.
Summary MedianSummary(std::span<const Summary> repetitions);

// The middle value, of an even number the mean of the middle two; 0 of none.
double Median(std::vector<double> values);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_STATISTICS_H_
