// SPDX-License-Identifier: Apache-2.0
#include "bench/results/plots.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/results/gnuplot.h"
#include "bench/subjects/all_subjects.h"
#include "bench/subjects/uarena_subject.h"
#include "bench/workloads/all_workloads.h"

namespace uarena::bench {
namespace {

// Told apart on white, most of them also by those who see no red and green; a subject has the same
// in every chart.
constexpr std::pair<const char*, const char*> kColours[] = {
    {"uarena_in_place", "#0072b2"}, {"uarena_thread", "#d55e00"}, {"uarena_served", "#009e73"},
    {"uarena_kernel", "#cc79a7"},   {"uarena_2mib", "#e69f00"},   {"memfd", "#56b4e9"},
    {"hugetlb", "#8c564b"},         {"anonymous", "#7f7f7f"},     {"naive_uffd", "#9467bd"},
    {"bpf_arena", "#000000"},
};

// The line of a subject, without points. Those that are not uarena's are dashed.
Series LineOf(const std::string& subject) {
  const auto colour = std::find_if(std::begin(kColours), std::end(kColours),
                                   [&](const auto& entry) { return subject == entry.first; });
  return {.title = subject,
          .colour = colour == std::end(kColours) ? "#bcbd22" : colour->second,
          .points = {},
          .dashed = !absl::StartsWith(subject, "uarena")};
}

// The row, if it has numbers.
const Row* FindMeasured(const std::vector<Row>& rows, const std::string& workload,
                        const std::string& subject) {
  const Row* row = FindRow(rows, workload, subject);
  return row == nullptr || !row->skipped.empty() ? nullptr : row;
}

Point MeanAt(double x, const Row& row) { return {x, row.summary.mean, MeanRange(row.repetitions)}; }

Chart LatencyChart(const std::vector<Row>& rows, const std::string& workload, std::string title) {
  Chart chart = {
      .title = std::move(title),
      .x = {.label = "time of a touch",
            .logarithmic = true,
            .ticks =
                R"(("10 ns" 10, "100 ns" 100, "1 µs" 1e3, "10 µs" 1e4, "100 µs" 1e5, "1 ms" 1e6))",
            .range = "[9:1.1e6]"},
      .y = {.label = "touches that took no longer, %", .range = "[0:100]"},
      .series = {},
  };
  for (const Row& row : rows) {
    if (row.workload != workload || !row.skipped.empty()) continue;
    Series series = LineOf(row.subject);
    series.marked = false;
    for (const auto& [ns, share] : row.distribution.Cumulative()) {
      if (series.points.empty()) series.points.push_back({ns, 0});
      series.points.push_back({ns, 100 * share});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart WindowChart(const std::vector<Row>& rows) {
  Chart chart = {
      .title = "Sequential first touch against the window: medians, ranges of the repetitions",
      .x = {.label = "most pages that one fault populates (max_populate_pages)",
            .logarithmic = true,
            .ticks = "(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)",
            .range = absl::StrCat("[0.9:", 1.1 * kLargestWindow, "]")},
      .y = {.label = "ns per page", .range = "[0:]"},
      .series = {LineOf(UarenaSubjectName(FaultMode::kInPlace))},
  };
  for (uint32_t window = 1; window <= kLargestWindow; window *= 2) {
    const Row* row = FindMeasured(rows, kByWindow, WindowSubjectName(window));
    if (row != nullptr) chart.series[0].points.push_back(MeanAt(window, *row));
  }
  for (const char* subject : {"memfd", "bpf_arena"}) {
    const Row* row = FindMeasured(rows, kByWindow, subject);
    if (row == nullptr) continue;
    Series series = LineOf(subject);
    series.marked = false;
    series.points = {MeanAt(1, *row), MeanAt(kLargestWindow, *row)};
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart ArenaSizeChart(const std::vector<Row>& rows) {
  Chart chart = {
      .title = "Allocation of one page in a fragmented arena: medians, ranges of the repetitions",
      .x = {.label = "size of the arena, of which a tenth is taken",
            .logarithmic = true,
            .ticks =
                R"(("1 GiB" 1, "4 GiB" 4, "16 GiB" 16, "64 GiB" 64, "256 GiB" 256, "1 TiB" 1024))",
            .range = "[0.8:1280]"},
      .y = {.label = "ns per page", .range = "[0:]"},
      .series = {},
  };
  for (const std::string& subject : {DefaultSubjectName(), std::string("bpf_arena")}) {
    Series series = LineOf(subject);
    for (const auto& [workload, gib] : ArenaSizesGib()) {
      const Row* row = FindMeasured(rows, workload, subject);
      if (row != nullptr) series.points.push_back(MeanAt(static_cast<double>(gib), *row));
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

absl::Status DrawPlots(const std::vector<Row>& rows, const std::string& directory) {
  const std::pair<std::string, Chart> charts[] = {
      {"seq_first_touch",
       LatencyChart(rows, "seq_first_touch", "First touch of fresh pages, in order")},
      {"scattered_first_touch",
       LatencyChart(rows, "scattered_first_touch",
                    "First touch of fresh pages, one in every 2 MiB, in random order")},
      {"window", WindowChart(rows)},
      {"arena_size", ArenaSizeChart(rows)},
  };
  for (const auto& [name, chart] : charts) {
    if (chart.series.empty() || chart.series[0].points.empty()) continue;
    if (absl::Status status = DrawSvg(chart, directory, name); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace uarena::bench
