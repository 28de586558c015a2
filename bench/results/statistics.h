// SPDX-License-Identifier: Apache-2.0
//
// From samples to the numbers of a row. Pure.
#ifndef UARENA_BENCH_RESULTS_STATISTICS_H_
#define UARENA_BENCH_RESULTS_STATISTICS_H_

#include <array>
#include <cstdint>
#include <span>
#include <utility>
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

// Of one repetition, by page: each sample is the time of `pages_per_sample` pages. Sorts `samples`.
// Percentiles are samples (nearest rank). No samples: zeros.
Summary Summarize(std::span<uint32_t> samples, uint64_t pages_per_sample);

// Of several repetitions: the medians of their means and percentiles, the least min, the largest
// max. No repetitions: zeros.
Summary MedianSummary(std::span<const Summary> repetitions);

// How much the repetitions differ: the least and the largest of their means.
struct Range {
  double low = 0;
  double high = 0;
};
Range MeanRange(std::span<const Summary> repetitions);

// The middle value, of an even number the mean of the middle two; 0 of none.
double Median(std::vector<double> values);

// How many samples took how long, in buckets a sixteenth of a power of two wide.
class Distribution {
 public:
  void Add(std::span<const uint32_t> samples);

  // For each bucket that has any: where it ends, and which share of all samples took no longer.
  std::vector<std::pair<double, double>> Cumulative() const;

 private:
  static constexpr int kBucketsPerOctave = 16;
  std::array<uint64_t, 32 * kBucketsPerOctave + 1> counts_{};
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_STATISTICS_H_
