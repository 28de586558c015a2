// SPDX-License-Identifier: Apache-2.0
#include "bench/runner.h"

#include <stdio.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace uarena::bench {
namespace {

bool IsSkipped(const Measurement& measurement) {
  return std::all_of(measurement.rows.begin(), measurement.rows.end(),
                     [](const Row& row) { return !row.skipped.empty(); });
}

std::string NamesOf(const Measurement& measurement) {
  return absl::StrCat(measurement.rows[0].workload, " on ",
                      absl::StrJoin(measurement.rows, ", ", [](std::string* out, const Row& row) {
                        absl::StrAppend(out, row.subject);
                      }));
}

absl::Status RunOnce(Measurement& measurement, int repetition, std::span<Outcome* const> outcomes) {
  for (Outcome* outcome : outcomes) {
    outcome->samples.Clear();
    outcome->counters.clear();
  }
  const absl::Status status = measurement.run(static_cast<uint64_t>(repetition) + 1, outcomes);
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat(NamesOf(measurement), ": ", status.message()));
  }
  for (size_t i = 0; i < measurement.rows.size(); ++i) {
    Row& row = measurement.rows[i];
    if (!row.skipped.empty()) continue;
    row.AddRepetition(outcomes[i]->samples.nanoseconds(), measurement.units_per_sample,
                      std::move(outcomes[i]->counters));
    fprintf(stderr, " %s %.0f", row.subject.c_str(), row.repetitions.back().mean);
  }
  return absl::OkStatus();
}

std::vector<std::unique_ptr<Outcome>> MakeOutcomes(const std::vector<Measurement>& measurements) {
  size_t rows = 0;
  uint64_t samples = 0;
  for (const Measurement& measurement : measurements) {
    rows = std::max(rows, measurement.rows.size());
    samples = std::max(samples, measurement.max_samples);
  }
  std::vector<std::unique_ptr<Outcome>> outcomes(rows);
  for (auto& outcome : outcomes) outcome = std::make_unique<Outcome>(samples);
  return outcomes;
}

}  // namespace

std::vector<Measurement> MeasureEach(const std::vector<std::unique_ptr<Workload>>& workloads,
                                     const std::vector<std::unique_ptr<Subject>>& subjects) {
  std::vector<Measurement> measurements;
  for (const auto& workload : workloads) {
    for (const auto& subject : subjects) {
      Row row = {
          .workload = workload->name(), .title = workload->title(), .subject = subject->name()};
      row.skipped = std::string(subject->CheckAvailable(workload->need()).message());
      measurements.push_back({.rows = {std::move(row)},
                              .units_per_sample = workload->pages_per_sample(),
                              .max_samples = workload->max_samples(),
                              .run = [workload = workload.get(), subject = subject.get()](
                                         uint64_t seed, std::span<Outcome* const> outcomes) {
                                return workload->Run(*subject, seed, &outcomes[0]->samples,
                                                     &outcomes[0]->counters);
                              }});
    }
  }
  return measurements;
}

absl::StatusOr<std::vector<Row>> RunAll(std::vector<Measurement> measurements, int repetitions) {
  const std::vector<std::unique_ptr<Outcome>> owned = MakeOutcomes(measurements);
  std::vector<Outcome*> outcomes;
  outcomes.reserve(owned.size());
  for (const auto& outcome : owned) outcomes.push_back(outcome.get());

  for (int repetition = 0; repetition < repetitions; ++repetition) {
    std::string shown;
    for (Measurement& measurement : measurements) {
      if (IsSkipped(measurement)) continue;
      const std::string& workload = measurement.rows[0].workload;
      if (shown != workload) {
        fprintf(stderr, "%s%d/%d %s:", shown.empty() ? "" : "\n", repetition + 1, repetitions,
                workload.c_str());
        shown = workload;
      }
      const std::span<Outcome* const> used(outcomes.data(), measurement.rows.size());
      if (absl::Status status = RunOnce(measurement, repetition, used); !status.ok()) {
        fputc('\n', stderr);
        return status;
      }
    }
    fputc('\n', stderr);
  }
  std::vector<Row> rows;
  for (Measurement& measurement : measurements) {
    std::move(measurement.rows.begin(), measurement.rows.end(), std::back_inserter(rows));
  }
  return rows;
}

}  // namespace uarena::bench
