// SPDX-License-Identifier: Apache-2.0
#include "bench/results/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <utility>

namespace uarena::bench {
namespace {

double Percentile(std::span<const uint32_t> sorted, double fraction) {
  const double rank = std::ceil(fraction * static_cast<double>(sorted.size()));
  return sorted[std::max<size_t>(static_cast<size_t>(rank), 1) - 1];
}

}  // namespace

Summary Summarize(std::span<uint32_t> samples, uint64_t pages_per_sample) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const uint64_t sum = std::accumulate(samples.begin(), samples.end(), uint64_t{0});
  const auto pages = static_cast<double>(pages_per_sample);
  return {
      .mean = static_cast<double>(sum) / static_cast<double>(samples.size()) / pages,
      .p50 = Percentile(samples, 0.50) / pages,
      .p90 = Percentile(samples, 0.90) / pages,
      .p99 = Percentile(samples, 0.99) / pages,
      .min = static_cast<double>(samples.front()) / pages,
      .max = static_cast<double>(samples.back()) / pages,
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

Range MeanRange(std::span<const Summary> repetitions) {
  if (repetitions.empty()) return {};
  const auto [low, high] =
      std::minmax_element(repetitions.begin(), repetitions.end(),
                          [](const Summary& a, const Summary& b) { return a.mean < b.mean; });
  return {low->mean, high->mean};
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void Distribution::Add(std::span<const uint32_t> samples) {
  for (const uint32_t sample : samples) {
    const double octaves = std::log2(std::max<uint32_t>(sample, 1));
    ++counts_[static_cast<size_t>(std::ceil(octaves * kBucketsPerOctave))];
  }
}

std::vector<std::pair<double, double>> Distribution::Cumulative() const {
  const uint64_t all = std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
  std::vector<std::pair<double, double>> points;
  uint64_t sum = 0;
  for (size_t i = 0; i < std::size(counts_); ++i) {
    if (counts_[i] == 0) continue;
    sum += counts_[i];
    points.emplace_back(std::exp2(static_cast<double>(i) / kBucketsPerOctave),
                        static_cast<double>(sum) / static_cast<double>(all));
  }
  return points;
}

}  // namespace uarena::bench
