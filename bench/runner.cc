// SPDX-License-Identifier: Apache-2.0
#include "bench/runner.h"

#include <stdio.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/support/counters.h"
#include "bench/support/samples.h"

namespace uarena::bench {
namespace {

// A row that is still to be filled, and what fills it.
struct Cell {
  Workload* workload;
  Subject* subject;
  Row row;
};

std::vector<Cell> MakeCells(const std::vector<std::unique_ptr<Workload>>& workloads,
                            const std::vector<std::unique_ptr<Subject>>& subjects) {
  std::vector<Cell> cells;
  for (const auto& workload : workloads) {
    for (const auto& subject : subjects) {
      Row row = {
          .workload = workload->name(), .title = workload->title(), .subject = subject->name()};
      row.skipped = std::string(subject->CheckAvailable(workload->need()).message());
      cells.push_back({workload.get(), subject.get(), std::move(row)});
    }
  }
  return cells;
}

absl::Status RunOnce(Cell& cell, int repetition, Samples* samples) {
  Row& row = cell.row;
  Counters counters;
  const auto seed = static_cast<uint64_t>(repetition) + 1;
  const absl::Status status = cell.workload->Run(*cell.subject, seed, samples, &counters);
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(row.workload, " on ", row.subject, ": ", status.message()));
  }
  row.AddRepetition(samples->nanoseconds(), cell.workload->pages_per_sample(), std::move(counters));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Row>> RunAll(const std::vector<std::unique_ptr<Workload>>& workloads,
                                        const std::vector<std::unique_ptr<Subject>>& subjects,
                                        int repetitions) {
  std::vector<Cell> cells = MakeCells(workloads, subjects);
  uint64_t most = 0;
  for (const auto& workload : workloads) most = std::max(most, workload->max_samples());
  Samples samples(most);
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    std::string shown;
    for (Cell& cell : cells) {
      if (!cell.row.skipped.empty()) continue;
      if (shown != cell.row.workload) {
        fprintf(stderr, "%s%d/%d %s:", shown.empty() ? "" : "\n", repetition + 1, repetitions,
                cell.row.workload.c_str());
        shown = cell.row.workload;
      }
      const absl::Status status = RunOnce(cell, repetition, &samples);
      if (!status.ok()) {
        fputc('\n', stderr);
        return status;
      }
      fprintf(stderr, " %s %.0f", cell.row.subject.c_str(), cell.row.repetitions.back().mean);
    }
    fputc('\n', stderr);
  }
  std::vector<Row> rows;
  rows.reserve(cells.size());
  for (Cell& cell : cells) rows.push_back(std::move(cell.row));
  return rows;
}

}  // namespace uarena::bench
