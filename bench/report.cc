// SPDX-License-Identifier: Apache-2.0
#include "bench/report.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace uarena::bench {
namespace {

// The least and the largest mean of the repetitions.
std::pair<double, double> MeanRange(const Row& row) {
  const auto [low, high] =
      std::minmax_element(row.repetitions.begin(), row.repetitions.end(),
                          [](const Summary& a, const Summary& b) { return a.mean < b.mean; });
  return {low->mean, high->mean};
}

void PrintMachine(const Report& report, FILE* out) {
  const Machine& machine = report.machine;
  const KernelAbilities& abilities = machine.abilities;
  absl::FPrintF(out, "Linux %s, %d x %s, %d MiB, pages of %d bytes, %d free 2 MiB pages\n",
                abilities.kernel, machine.cpus, machine.cpu_model, machine.memory_bytes >> 20,
                abilities.page_size, abilities.huge_2mib_pages);
  absl::FPrintF(out, "userfaultfd: %s (%s); SIGBUS feature: %s; io_uring: %s\n",
                abilities.userfaultfd ? "yes" : "no", abilities.userfaultfd_reason,
                abilities.sigbus ? "yes" : "no", abilities.io_uring ? "yes" : "no");
  absl::FPrintF(out,
                "%d repetitions, interleaved; ns per touched page, medians of the repetitions; "
                "low and high: the repetitions' means\nevery sample includes one reading of the "
                "clock, %.0f ns\n",
                report.repetitions, machine.clock_ns);
}

void PrintRow(const Row& row, FILE* out) {
  if (!row.skipped.empty()) {
    absl::FPrintF(out, "  %-16s skipped: %s\n", row.subject, row.skipped);
    return;
  }
  const auto [low, high] = MeanRange(row);
  const Summary& s = row.summary;
  absl::FPrintF(out, "  %-16s %8.0f %8.0f %8.0f %8.0f %8.0f %8.0f %8.0f %10.0f", row.subject,
                s.mean, low, high, s.p50, s.p90, s.p99, s.min, s.max);
  if (row.counts.has_value()) {
    absl::FPrintF(out, " %8d %9d", row.counts->faults, row.counts->pages_populated);
  }
  absl::FPrintF(out, "\n");
}

nlohmann::json MachineJson(const Machine& machine) {
  const KernelAbilities& abilities = machine.abilities;
  return {
      {"kernel", abilities.kernel},
      {"cpus", machine.cpus},
      {"cpu_model", machine.cpu_model},
      {"memory_bytes", machine.memory_bytes},
      {"page_size", abilities.page_size},
      {"clock_ns", machine.clock_ns},
      {"abilities",
       {
           {"userfaultfd", abilities.userfaultfd},
           {"userfaultfd_reason", abilities.userfaultfd_reason},
           {"userfaultfd_kernel_faults", abilities.userfaultfd_kernel_faults},
           {"sigbus", abilities.sigbus},
           {"io_uring", abilities.io_uring},
           {"memfd_sealing", abilities.memfd_sealing},
           {"huge_2mib_pages", abilities.huge_2mib_pages},
           {"picked", std::string(FaultModeName(abilities.picked))},
           {"picked_reason", abilities.picked_reason},
       }},
  };
}

nlohmann::json RowJson(const Row& row) {
  nlohmann::json json = {{"name", row.workload}, {"subject", row.subject}, {"pages", row.pages}};
  if (!row.skipped.empty()) {
    json["skipped"] = row.skipped;
    return json;
  }
  const Summary& s = row.summary;
  json["ns_per_page"] = {{"mean", s.mean}, {"p50", s.p50}, {"p90", s.p90},
                         {"p99", s.p99},   {"min", s.min}, {"max", s.max}};
  for (const Summary& repetition : row.repetitions) {
    json["means_of_repetitions"].push_back(repetition.mean);
  }
  if (row.counts.has_value()) {
    json["faults"] = row.counts->faults;
    json["pages_populated"] = row.counts->pages_populated;
  }
  return json;
}

}  // namespace

void PrintReport(const Report& report, const std::vector<std::string>& titles, FILE* out) {
  PrintMachine(report, out);
  size_t group = 0;
  std::string workload;
  for (const Row& row : report.rows) {
    if (row.workload != workload) {
      workload = row.workload;
      absl::FPrintF(out, "\n%s: %d %s\n  %-16s %8s %8s %8s %8s %8s %8s %8s %10s %8s %9s\n",
                    workload, row.pages, titles[group++], "", "mean", "low", "high", "p50", "p90",
                    "p99", "min", "max", "faults", "populated");
    }
    PrintRow(row, out);
  }
  absl::FPrintF(out, "\n");
  for (const Ratio& ratio : report.ratios) {
    absl::FPrintF(out, "%-32s %6s  (%s)\n", ratio.key,
                  ratio.value.has_value() ? absl::StrFormat("%.2f", *ratio.value) : "-",
                  ratio.note);
  }
}

absl::Status WriteJson(const Report& report, const std::string& path) {
  nlohmann::json json = {{"machine", MachineJson(report.machine)},
                         {"repetitions", report.repetitions},
                         {"rows", nlohmann::json::array()},
                         {"ratios", nlohmann::json::object()}};
  for (const Row& row : report.rows) json["rows"].push_back(RowJson(row));
  for (const Ratio& ratio : report.ratios) {
    if (ratio.value.has_value()) {
      json["ratios"][ratio.key] = *ratio.value;
    } else {
      json["ratios"][ratio.key] = nullptr;
    }
    json["ratio_notes"][ratio.key] = ratio.note;
  }
  std::ofstream file(path);
  file << json.dump(2) << "\n";
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace uarena::bench
