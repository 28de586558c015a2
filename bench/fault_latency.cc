// SPDX-License-Identifier: Apache-2.0
//
// fault_latency: what the first touch of a page costs, in uarena and in what else there is.
//
// Operations (rows of the report):
//   seq_first_touch         fresh pages, each touched once, in order
//   scattered_first_touch   fresh pages, one in every 2 MiB, in random order
//   second_process_touch    pages that exist, touched in order by a process that has not yet
//
// Subjects: uarena_in_place, uarena_thread, uarena_served, uarena_kernel (the fault modes),
// uarena_2mib (in place, with 2 MiB pages), memfd, anonymous, bpf_arena (the kernel's own).
//
// A touch writes a word derived from the page's number; after every repetition all pages are read
// back. All sizes are in pages of the system, also where the memory comes in 2 MiB pages.
#include <stdio.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "bench/machine.h"
#include "bench/ratios.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/subject.h"
#include "bench/subjects.h"
#include "bench/warm_up.h"
#include "bench/workload.h"

ABSL_FLAG(uint64_t, pages, 0, "Pages touched in a repetition; 0: 32768, or fewer if --quick");
ABSL_FLAG(int, repetitions, 0, "Repetitions; 0: 7, or fewer if --quick");
ABSL_FLAG(bool, quick, false, "8192 pages, 5 repetitions");
ABSL_FLAG(bool, smoke, false, "512 pages, 1 repetition: only checks that everything works");
ABSL_FLAG(std::string, json, "", "Also write the results to this file");
ABSL_FLAG(std::vector<std::string>, subjects, {},
          "Which subjects, separated by commas; default: all");
ABSL_FLAG(std::vector<std::string>, operations, {},
          "Which operations, separated by commas; default: all");
ABSL_FLAG(std::string, uarenad, UARENAD_PATH, "The daemon's program, for uarena_served");

#if defined(__SANITIZE_THREAD__)
// The second process of a subject with a handler thread starts one of its own after fork.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace uarena::bench {
namespace {

constexpr int kMaxRepetitions = 1000;

struct Size {
  uint64_t pages;
  int repetitions;
};

absl::StatusOr<Size> ChosenSize(const Machine& machine) {
  Size size = {32768, 7};
  if (absl::GetFlag(FLAGS_quick)) size = {8192, 5};
  if (absl::GetFlag(FLAGS_smoke)) size = {512, 1};
  if (absl::GetFlag(FLAGS_pages) != 0) size.pages = absl::GetFlag(FLAGS_pages);
  if (absl::GetFlag(FLAGS_repetitions) != 0) size.repetitions = absl::GetFlag(FLAGS_repetitions);
  // Warming up takes twice the memory, which must not be all there is.
  const uint64_t most = machine.memory_bytes / machine.abilities.page_size / 4;
  if (size.pages > most) {
    return absl::OutOfRangeError(absl::StrCat("--pages ", size.pages, " is more than ", most,
                                              ", a quarter of this machine's memory"));
  }
  if (size.repetitions < 0 || size.repetitions > kMaxRepetitions) {
    return absl::OutOfRangeError(
        absl::StrCat("--repetitions ", size.repetitions, " is not in 1 to ", kMaxRepetitions));
  }
  return size;
}

void WarmUp(const std::vector<std::unique_ptr<Workload>>& workloads,
            const std::vector<std::unique_ptr<Subject>>& subjects, uint64_t bytes) {
  uint64_t most_huge_pages = 0;
  for (const auto& workload : workloads) {
    for (const auto& subject : subjects) {
      const Need need = workload->need();
      if (!subject->uses_huge_pages() || !subject->CheckAvailable(need).ok()) continue;
      most_huge_pages = std::max(most_huge_pages, need.touched_2mib);
    }
  }
  fprintf(stderr, "warming up host memory\n");
  // Twice what a repetition touches: page tables and control memory come on top of the pages.
  WarmUpHostMemory(2 * bytes, most_huge_pages << 21);
}

absl::Status Run() {
  const auto subjects = MakeSubjects(absl::GetFlag(FLAGS_subjects), absl::GetFlag(FLAGS_uarenad));
  if (!subjects.ok()) return subjects.status();

  Report report;
  report.machine = DescribeMachine();
  const absl::StatusOr<Size> size = ChosenSize(report.machine);
  if (!size.ok()) return size.status();
  report.repetitions = size->repetitions;
  const size_t page_size = report.machine.abilities.page_size;
  const auto workloads = MakeWorkloads(absl::GetFlag(FLAGS_operations), size->pages, page_size);
  if (!workloads.ok()) return workloads.status();
  WarmUp(*workloads, *subjects, size->pages * page_size);
  absl::StatusOr<std::vector<Row>> rows = RunAll(*workloads, *subjects, size->repetitions);
  if (!rows.ok()) return rows.status();
  report.rows = *std::move(rows);
  report.ratios = ComputeRatios(report.rows, DefaultSubjectName());

  std::vector<std::string> titles;
  for (const auto& workload : *workloads) titles.push_back(workload->title());
  PrintReport(report, titles, stdout);
  const std::string json = absl::GetFlag(FLAGS_json);
  return json.empty() ? absl::OkStatus() : WriteJson(report, json);
}

}  // namespace
}  // namespace uarena::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "measures the first touch of pages in uarena, memfd, anonymous memory and bpf_arena");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = uarena::bench::Run();
  if (status.ok()) return 0;
  fprintf(stderr, "fault_latency: %s\n", status.ToString().c_str());
  return 1;
}
