// SPDX-License-Identifier: Apache-2.0
#include "bench/results/row.h"

#include <algorithm>
#include <map>
#include <utility>

namespace uarena::bench {
namespace {

Counters MedianCounters(const std::vector<Counters>& repetitions) {
  std::map<std::string, std::vector<double>> values;
  for (const Counters& counters : repetitions) {
    for (const auto& [name, value] : counters) values[name].push_back(value);
  }
  Counters medians;
  for (auto& [name, all] : values) medians[name] = Median(std::move(all));
  return medians;
}

}  // namespace

void Row::AddRepetition(std::span<uint32_t> samples, uint64_t pages_per_sample, Counters found) {
  pages = samples.size() * pages_per_sample;
  distribution.Add(samples);
  repetitions.push_back(Summarize(samples, pages_per_sample));
  summary = MedianSummary(repetitions);
  counters_of_repetitions.push_back(std::move(found));
  counters = MedianCounters(counters_of_repetitions);
}

const Row* FindRow(const std::vector<Row>& rows, const std::string& workload,
                   const std::string& subject) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& candidate) {
    return candidate.workload == workload && candidate.subject == subject;
  });
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace uarena::bench
