// SPDX-License-Identifier: Apache-2.0
#include "bench/runner.h"

#include <stdio.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/samples.h"

namespace uarena::bench {
namespace {

absl::Status RunOnce(Workload& workload, Subject& subject, int repetition, Samples* samples,
                     Row* row) {
  const auto seed = static_cast<uint64_t>(repetition) + 1;
  const absl::Status status = workload.Run(subject, seed, samples, &row->counts);
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(row->workload, " on ", row->subject, ": ", status.message()));
  }
  row->repetitions.push_back(Summarize(samples->nanoseconds()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Row>> RunAll(const std::vector<std::unique_ptr<Workload>>& workloads,
                                        const std::vector<std::unique_ptr<Subject>>& subjects,
                                        int repetitions) {
  uint64_t most = 0;
  for (const auto& workload : workloads) most = std::max(most, workload->pages());
  Samples samples(most);
  std::vector<Row> rows;
  for (const auto& workload : workloads) {
    const size_t first = rows.size();
    for (const auto& subject : subjects) {
      Row row = {.workload = workload->name(), .subject = subject->name()};
      row.pages = workload->pages();
      if (absl::Status status = subject->CheckAvailable(workload->need()); !status.ok()) {
        row.skipped = std::string(status.message());
        fprintf(stderr, "%s: %s skipped: %s\n", row.workload.c_str(), row.subject.c_str(),
                row.skipped.c_str());
      }
      rows.push_back(std::move(row));
    }
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      fprintf(stderr, "%s %d/%d:", workload->name().c_str(), repetition + 1, repetitions);
      for (size_t i = 0; i < subjects.size(); ++i) {
        Row& row = rows[first + i];
        if (!row.skipped.empty()) continue;
        if (absl::Status status = RunOnce(*workload, *subjects[i], repetition, &samples, &row);
            !status.ok()) {
          fputc('\n', stderr);
          return status;
        }
        fprintf(stderr, " %s %.0f", row.subject.c_str(), row.repetitions.back().mean);
      }
      fputc('\n', stderr);
    }
  }
  for (Row& row : rows) row.summary = MedianSummary(row.repetitions);
  return rows;
}

}  // namespace uarena::bench
