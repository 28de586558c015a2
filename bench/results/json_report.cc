// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "bench/results/report.h"

namespace uarena::bench {
namespace {

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
  for (const auto& [name, value] : row.counters) json[name] = value;
  return json;
}

}  // namespace

absl::Status WriteJson(const Report& report, const std::string& path) {
  nlohmann::json json = {{"machine", MachineJson(report.machine)},
                         {"repetitions", report.repetitions},
                         {"seconds",
                          {{"run", report.seconds},
                           {"processors_busy", report.used.busy},
                           {"processors_own", report.used.own},
                           {"processors_stolen", report.used.stolen}}},
                         {"rows", nlohmann::json::array()},
                         {"ratios", nlohmann::json::object()},
                         {"ratio_ranges", nlohmann::json::object()},
                         {"missing", nlohmann::json::object()}};
  for (const Row& row : report.rows) json["rows"].push_back(RowJson(row));
  for (const Ratio& ratio : report.ratios) {
    if (ratio.value.has_value()) {
      json["ratios"][ratio.key] = *ratio.value;
      json["ratio_ranges"][ratio.key] = {ratio.range.low, ratio.range.high};
    } else {
      json["ratios"][ratio.key] = nullptr;
      json["missing"][ratio.key] = ratio.missing;
    }
  }
  std::ofstream file(path);
  file << json.dump(2) << "\n";
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("--json: cannot write ", path));
  return absl::OkStatus();
}

}  // namespace uarena::bench
