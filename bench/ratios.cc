// SPDX-License-Identifier: Apache-2.0
#include "bench/ratios.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace uarena::bench {
namespace {

struct Rule {
  const char* workload;
  const char* denominator;
  const char* statistic_name;
  double Summary::*statistic;
};

// Scattered touching is judged by the median: its mean is ruled by the few touches that wait for
// another processor.
constexpr Rule kRules[] = {
    {"seq_first_touch", "bpf_arena", "mean", &Summary::mean},
    {"seq_first_touch", "memfd", "mean", &Summary::mean},
    {"scattered_first_touch", "bpf_arena", "p50", &Summary::p50},
    {"second_process_touch", "bpf_arena", "mean", &Summary::mean},
};

const Row* Find(const std::vector<Row>& rows, const std::string& workload,
                const std::string& subject) {
  for (const Row& row : rows) {
    if (row.workload == workload && row.subject == subject) return &row;
  }
  return nullptr;
}

// Why `row` has no numbers; empty if it has.
std::string Missing(const Row* row, const std::string& subject) {
  if (row == nullptr) return absl::StrCat(subject, " was not measured");
  return row->skipped.empty() ? "" : absl::StrCat(subject, " skipped: ", row->skipped);
}

}  // namespace

std::vector<Ratio> ComputeRatios(const std::vector<Row>& rows, const std::string& default_subject) {
  std::vector<Ratio> ratios;
  for (const Rule& rule : kRules) {
    Ratio ratio;
    ratio.key = absl::StrCat(rule.workload, "/", rule.denominator);
    const Row* ours = Find(rows, rule.workload, default_subject);
    const Row* theirs = Find(rows, rule.workload, rule.denominator);
    ratio.note = Missing(ours, default_subject);
    if (ratio.note.empty()) ratio.note = Missing(theirs, rule.denominator);
    if (ratio.note.empty()) {
      ratio.value = ours->summary.*rule.statistic / theirs->summary.*rule.statistic;
      ratio.note =
          absl::StrCat(default_subject, " / ", rule.denominator, ", ", rule.statistic_name);
    }
    ratios.push_back(std::move(ratio));
  }
  return ratios;
}

}  // namespace uarena::bench
