// SPDX-License-Identifier: Apache-2.0
#include "bench/results/ratios.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace uarena::bench {
namespace {

// A number that every repetition of a row has, and the row as a whole.
struct Statistic {
  const char* name;
  std::function<double(const Summary&, const Counters&)> of;
};

const Statistic kMean = {"mean", [](const Summary& s, const Counters&) { return s.mean; }};
const Statistic kMedian = {"p50", [](const Summary& s, const Counters&) { return s.p50; }};
const Statistic kMedianUs = {"p50, us",
                             [](const Summary& s, const Counters&) { return s.p50 / 1000; }};
const Statistic kRssKib = {"VmRSS, KiB", [](const Summary&, const Counters& c) {
                             const auto found = c.find("rss_kib");
                             return found == c.end() ? 0 : found->second;
                           }};

const Statistic kUsedPerAsked = {"bytes used / bytes asked", [](const Summary&, const Counters& c) {
                                   const auto found = c.find("used_per_asked");
                                   return found == c.end() ? 0 : found->second;
                                 }};

// The subject that is uarena with default options.
constexpr char kDefault[] = "";

struct Side {
  const char* workload;
  const char* subject;
};

struct Rule {
  const char* key;
  Side over;
  std::optional<Side> under;  // none: `over` stands alone
  const Statistic& statistic;
};

// Scattered touching is judged by the median: its mean is ruled by the few touches that wait for
// another processor. So are those that take turns: the slices of a repetition are alike, but for
// those that were interrupted.
const Rule kRules[] = {
    {"seq_first_touch/bpf_arena",
     {"seq_first_touch", kDefault},
     Side{"seq_first_touch", "bpf_arena"},
     kMean},
    {"seq_first_touch/memfd",
     {"seq_first_touch", kDefault},
     Side{"seq_first_touch", "memfd"},
     kMean},
    {"scattered_first_touch/bpf_arena",
     {"scattered_first_touch", kDefault},
     Side{"scattered_first_touch", "bpf_arena"},
     kMedian},
    {"scattered_first_touch/naive_uffd",
     {"scattered_first_touch", kDefault},
     Side{"scattered_first_touch", "naive_uffd"},
     kMedian},
    {"second_process_touch/bpf_arena",
     {"second_process_touch", kDefault},
     Side{"second_process_touch", "bpf_arena"},
     kMean},
    {"alloc_touch_512/bpf_arena",
     {"alloc_touch_512", kDefault},
     Side{"alloc_touch_512", "bpf_arena"},
     kMean},
    {"alloc_touch_512_reused/bpf_arena",
     {"alloc_touch_512_reused", kDefault},
     Side{"alloc_touch_512_reused", "bpf_arena"},
     kMean},
    {"churn_1/bpf_arena", {"churn_1", kDefault}, Side{"churn_1", "bpf_arena"}, kMean},
    {"churn_16/bpf_arena", {"churn_16", kDefault}, Side{"churn_16", "bpf_arena"}, kMean},
    {"churn_512/bpf_arena", {"churn_512", kDefault}, Side{"churn_512", "bpf_arena"}, kMean},
    {"churn_16_zap/bpf_arena", {"churn_16", "uarena_zap"}, Side{"churn_16", "bpf_arena"}, kMean},
    {"huge_seq_first_touch/bpf_arena",
     {"seq_first_touch", "uarena_2mib"},
     Side{"seq_first_touch", "bpf_arena"},
     kMean},
    {"served_seq/naive_uffd",
     {"seq_first_touch", "uarena_served"},
     Side{"seq_first_touch", "naive_uffd"},
     kMean},
    {"served_scattered_p50/naive_uffd",
     {"scattered_first_touch", "uarena_served"},
     Side{"scattered_first_touch", "naive_uffd"},
     kMedian},
    {"alloc_1TiB/alloc_1GiB", {"alloc_1TiB", kDefault}, Side{"alloc_1GiB", kDefault}, kMean},
    // Of rates, which are one over these times.
    {"alloc_2procs/alloc_1proc", {"alloc_1proc", kDefault}, Side{"alloc_2procs", kDefault}, kMean},
    {"open_1TiB_us", {"open_1TiB", kDefault}, std::nullopt, kMedianUs},
    {"open_1TiB_rss_kib", {"open_1TiB", kDefault}, std::nullopt, kRssKib},
    {"heap_64B/boost_interprocess",
     {"heap_64B", "uarena_heap"},
     Side{"heap_64B", "boost_interprocess"},
     kMean},
    {"heap_64B_2procs/boost_interprocess",
     {"heap_64B_2procs", "uarena_heap"},
     Side{"heap_64B_2procs", "boost_interprocess"},
     kMean},
    {"heap_mixed/glibc_malloc",
     {"heap_mixed", "uarena_heap"},
     Side{"heap_mixed", "glibc_malloc"},
     kMean},
    {"heap_overhead", {"heap_mixed", "uarena_heap"}, std::nullopt, kUsedPerAsked},
    {"unordered_map_find/process_local",
     {"unordered_map_find", "uarena_map"},
     Side{"unordered_map_find", "process_local"},
     kMedian},
    {"mutex_uncontended/absl_mutex",
     {"mutex_uncontended", "uarena_mutex"},
     Side{"mutex_uncontended", "absl_mutex"},
     kMedian},
};

// The row of one side of a rule, or why there is none with numbers.
struct Found {
  const Row* row = nullptr;
  std::string missing;
};

Found Find(const std::vector<Row>& rows, const Side& side, const std::string& default_subject) {
  const std::string subject = *side.subject == '\0' ? default_subject : side.subject;
  const Row* row = FindRow(rows, side.workload, subject);
  if (row == nullptr) return {nullptr, absl::StrCat(side.workload, " of ", subject, " not run")};
  if (row->skipped.empty()) return {row, ""};
  return {nullptr, absl::StrCat(side.workload, " of ", subject, " skipped: ", row->skipped)};
}

std::vector<double> OfRepetitions(const Row& row, const Statistic& statistic) {
  std::vector<double> values;
  for (size_t i = 0; i < row.repetitions.size(); ++i) {
    values.push_back(statistic.of(row.repetitions[i], row.counters_of_repetitions[i]));
  }
  return values;
}

Ratio Compute(const Rule& rule, const std::vector<Row>& rows, const std::string& default_subject) {
  Ratio ratio = {.key = rule.key, .meaning = rule.statistic.name};
  const Found over = Find(rows, rule.over, default_subject);
  const Found under = rule.under ? Find(rows, *rule.under, default_subject) : Found();
  ratio.missing = over.missing.empty() ? under.missing : over.missing;
  if (!ratio.missing.empty()) return ratio;

  ratio.value = rule.statistic.of(over.row->summary, over.row->counters);
  std::vector<double> values = OfRepetitions(*over.row, rule.statistic);
  ratio.meaning = absl::StrCat(over.row->workload, " of ", over.row->subject);
  if (rule.under) {
    *ratio.value /= rule.statistic.of(under.row->summary, under.row->counters);
    // Repetitions are interleaved: those of one number belong together.
    const std::vector<double> divisors = OfRepetitions(*under.row, rule.statistic);
    std::transform(values.begin(), values.end(), divisors.begin(), values.begin(),
                   std::divides<double>());
    absl::StrAppend(&ratio.meaning, " / ", under.row->workload, " of ", under.row->subject);
  }
  absl::StrAppend(&ratio.meaning, ", ", rule.statistic.name);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  ratio.range = {*low, *high};
  return ratio;
}

}  // namespace

std::vector<Ratio> ComputeRatios(const std::vector<Row>& rows, const std::string& default_subject) {
  std::vector<Ratio> ratios;
  for (const Rule& rule : kRules) ratios.push_back(Compute(rule, rows, default_subject));
  return ratios;
}

}  // namespace uarena::bench
