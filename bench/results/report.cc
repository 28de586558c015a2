// SPDX-License-Identifier: Apache-2.0
#include "bench/results/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace uarena::bench {
namespace {

void PrintMachine(const Report& report, FILE* out) {
  const Machine& machine = report.machine;
  const KernelAbilities& abilities = machine.abilities;
  absl::FPrintF(out, "Linux %s, %d x %s, %d MiB, pages of %d bytes, %d free 2 MiB pages\n",
                abilities.kernel, machine.cpus, machine.cpu_model, machine.memory_bytes >> 20,
                abilities.page_size, abilities.huge_2mib_pages);
  absl::FPrintF(out, "userfaultfd: %s (%s); SIGBUS feature: %s; io_uring: %s; default mode: %s\n",
                abilities.userfaultfd ? "yes" : "no", abilities.userfaultfd_reason,
                abilities.sigbus ? "yes" : "no", abilities.io_uring ? "yes" : "no",
                FaultModeName(abilities.picked));
  absl::FPrintF(out,
                "noise: in %.0f s the processors worked %.0f s for this run and %.0f s for "
                "others; the host took %.1f s\n",
                report.seconds, report.used.own, std::max(0.0, report.used.busy - report.used.own),
                report.used.stolen);
  absl::FPrintF(out,
                "%d repetitions, interleaved; ns per page or what the heading says, medians of the "
                "repetitions; low, high: the repetitions' means; min, max: of all samples\n"
                "a sample includes one reading of the clock, %.0f ns\n",
                report.repetitions, machine.clock_ns);
}

// With as many digits as say something.
std::string Number(double value) {
  return absl::StrFormat("%.*f", value < 10 ? 3 : value < 100 ? 1 : 0, value);
}

void PrintRow(const Row& row, FILE* out) {
  const Range means = MeanRange(row.repetitions);
  const Summary& s = row.summary;
  absl::FPrintF(out, "  %-18s", row.subject);
  for (const double value : {s.mean, means.low, means.high, s.p50, s.p90, s.p99, s.min, s.max}) {
    absl::FPrintF(out, " %8s", Number(value));
  }
  for (const auto& [name, value] : row.counters) {
    absl::FPrintF(out, "  %s %s", name,
                  value == std::round(value) ? absl::StrFormat("%.0f", value) : Number(value));
  }
  absl::FPrintF(out, "\n");
}

void PrintWorkload(const std::vector<const Row*>& rows, FILE* out) {
  uint64_t pages = 0;
  std::map<std::string, std::vector<std::string>> skipped;  // subjects by reason
  for (const Row* row : rows) {
    pages = std::max(pages, row->pages);
    if (!row->skipped.empty()) skipped[row->skipped].push_back(row->subject);
  }
  absl::FPrintF(out, "\n%s: %d %s\n  %-18s %8s %8s %8s %8s %8s %8s %8s %8s\n", rows[0]->workload,
                pages, rows[0]->title, "", "mean", "low", "high", "p50", "p90", "p99", "min",
                "max");
  for (const Row* row : rows) {
    if (row->skipped.empty()) PrintRow(*row, out);
  }
  for (const auto& [reason, subjects] : skipped) {
    absl::FPrintF(out, "  skipped: %s (%s)\n", absl::StrJoin(subjects, ", "), reason);
  }
}

void PrintRatio(const Ratio& ratio, FILE* out) {
  if (!ratio.value.has_value()) {
    absl::FPrintF(out, "%-34s %8s  %s\n", ratio.key, "-", ratio.missing);
    return;
  }
  absl::FPrintF(out, "%-34s %8s  %8s %8s  %s\n", ratio.key, Number(*ratio.value),
                Number(ratio.range.low), Number(ratio.range.high), ratio.meaning);
}

}  // namespace

void PrintReport(const Report& report, FILE* out) {
  PrintMachine(report, out);
  std::vector<const Row*> group;
  for (const Row& row : report.rows) {
    if (!group.empty() && group[0]->workload != row.workload) {
      PrintWorkload(group, out);
      group.clear();
    }
    group.push_back(&row);
  }
  if (!group.empty()) PrintWorkload(group, out);
  absl::FPrintF(out, "\n%-34s %8s  %8s %8s\n", "ratios", "", "low", "high");
  for (const Ratio& ratio : report.ratios) PrintRatio(ratio, out);
}

}  // namespace uarena::bench
