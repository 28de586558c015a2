// SPDX-License-Identifier: Apache-2.0
//
// fault_latency: what pages cost, in uarena and in what else there is: their first touch, their
// allocation, their freeing; and what objects in them cost.
//
// Operations (rows of the report):
//   seq_first_touch          fresh pages, each touched once, in order
//   scattered_first_touch    fresh pages, one in every 2 MiB, in random order
//   second_process_touch     pages that exist, touched in order by a process that has not yet
//   alloc_touch_512          512 pages allocated in one call and touched, again and again
//   alloc_touch_512_reused   the same, each run freed before the next is allocated
//   churn_1, _16, _512       pages allocated so many at a time and freed
//   alloc_1GiB, alloc_1TiB   single pages allocated in a fragmented arena, a tenth of it taken
//   alloc_1proc, _2procs     single pages allocated and freed by so many processes at the same time
//   alloc_fresh_1proc, …     the same, but none is freed
//   open_1TiB                a new process makes or opens 1 TiB and writes to its first page
//   heap_64B, _2procs        blocks of 16 to 512 bytes freed and allocated by so many processes
//   heap_mixed               blocks of mixed sizes and lifetimes, by a trace
//   unordered_map_find       random keys looked for in a std::unordered_map
//   mutex_uncontended        a mutex locked and unlocked that nobody else wants
//
// With --plot also:
//   seq_first_touch_by_window   seq_first_touch for each max_populate_pages
//   alloc_by_size_…GiB          alloc_1GiB for each size of the arena
//
// Subjects: uarena_in_place, uarena_thread, uarena_served, uarena_kernel (the fault modes),
// uarena_zap (in place, keeping no freed pages), uarena_2mib (in place, with 2 MiB pages), memfd,
// hugetlb (a memfd of 2 MiB pages), anonymous, naive_uffd (userfaultfd as in the manual page's
// example), bpf_arena (the kernel's own). Of heaps: uarena_heap, boost_interprocess
// (managed_shared_memory), glibc_malloc, free_lists (next to nothing but the harness). Of
// containers: uarena_map, process_local (std::allocator). Of locks: uarena_mutex, absl_mutex.
//
// A touch writes a word derived from the page's number; after every repetition all pages are read
// back. Pages that are allocated must hold zeros. All sizes are in pages of the system, also where
// the memory comes in 2 MiB pages; times are ns for each page, with open_1TiB for each opening, of
// objects for each operation.
#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "bench/objects/all_objects.h"
#include "bench/results/gnuplot.h"
#include "bench/results/machine.h"
#include "bench/results/plots.h"
#include "bench/results/ratios.h"
#include "bench/results/report.h"
#include "bench/runner.h"
#include "bench/subjects/all_subjects.h"
#include "bench/subjects/huge_page_pool.h"
#include "bench/support/clock.h"
#include "bench/support/select.h"
#include "bench/support/warm_up.h"
#include "bench/workloads/all_workloads.h"

ABSL_FLAG(uint64_t, pages, 0, "Pages worked on in a repetition; 0: 32768, or fewer if --quick");
ABSL_FLAG(int, repetitions, 0, "Repetitions; 0: 7, or fewer if --quick");
ABSL_FLAG(bool, quick, false, "8192 pages, 5 repetitions; less than a minute");
ABSL_FLAG(bool, smoke, false, "512 pages, 1 repetition: only checks that everything works");
ABSL_FLAG(std::string, json, "", "Also write the results to this file");
ABSL_FLAG(std::string, plot, "",
          "Also measure what the plots show and draw them, as SVG, into this directory");
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

using std::chrono::milliseconds;

constexpr int kMaxRepetitions = 1000;
// 1 GiB has a run of one page in every ten of its pages then.
constexpr uint64_t kFragments = 26214;
constexpr uint64_t kMapElements = 1'000'000;

struct Size {
  Effort effort;
  ObjectEffort objects;
  int repetitions;
};

absl::StatusOr<Size> ChosenSize(const Machine& machine) {
  Size size = {{32768, kFragments, 8, milliseconds(100)}, {1 << 20, 2'000'000, kMapElements}, 7};
  if (absl::GetFlag(FLAGS_quick)) {
    size = {{8192, kFragments, 4, milliseconds(50)}, {1 << 18, 2'000'000, kMapElements}, 5};
  }
  if (absl::GetFlag(FLAGS_smoke)) {
    size = {{512, 512, 1, milliseconds(5)}, {1 << 12, 20'000, 10'000}, 1};
  }
  uint64_t& pages = size.effort.pages;
  if (absl::GetFlag(FLAGS_pages) != 0) pages = absl::GetFlag(FLAGS_pages);
  if (absl::GetFlag(FLAGS_repetitions) != 0) size.repetitions = absl::GetFlag(FLAGS_repetitions);
  // Warming up takes twice the memory, which must not be all there is.
  const uint64_t most = machine.memory_bytes / machine.abilities.page_size / 4;
  if (pages > most) {
    return absl::OutOfRangeError(absl::StrCat("--pages ", pages, " is more than ", most,
                                              ", a quarter of this machine's memory"));
  }
  if (size.repetitions < 1 || size.repetitions > kMaxRepetitions) {
    return absl::OutOfRangeError(
        absl::StrCat("--repetitions ", size.repetitions, " is not in 1 to ", kMaxRepetitions));
  }
  return size;
}

// Before hours of measuring rather than after them.
absl::Status CheckOutputs() {
  const std::string json = absl::GetFlag(FLAGS_json);
  if (!json.empty() && !std::ofstream(json)) {
    return absl::InvalidArgumentError(absl::StrCat("--json ", json, ": cannot be written"));
  }
  const std::string plot = absl::GetFlag(FLAGS_plot);
  if (plot.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(plot, error);
  if (error)
    return absl::InvalidArgumentError(absl::StrCat("--plot ", plot, ": ", error.message()));
  return CheckGnuplot();
}

// As many as the subjects that use them could want, if a quarter of the memory has room for them.
uint64_t HugePagesWanted(const Workloads& workloads, const Subjects& subjects,
                         const Machine& machine) {
  const bool used = std::any_of(subjects.begin(), subjects.end(),
                                [](const auto& subject) { return subject->uses_huge_pages(); });
  uint64_t most = 0;
  for (const auto& workload : workloads) most = std::max(most, workload->need().touched_2mib);
  return used ? std::min(most, machine.memory_bytes / 4 >> 21) : 0;
}

// Adds the rows that only the plots need.
absl::Status AddRowsForPlots(const Size& size, size_t page_size, std::vector<Row>* rows) {
  const std::string uarenad = absl::GetFlag(FLAGS_uarenad);
  Subjects compared = MakeSubjects({"memfd", "bpf_arena"}, uarenad);
  Subjects by_window = MakeWindowSubjects();
  std::move(compared.begin(), compared.end(), std::back_inserter(by_window));
  const Subjects by_size = MakeSubjects({DefaultSubjectName(), "bpf_arena"}, uarenad);

  const Workloads touches = MakeWindowWorkloads(size.effort, page_size);
  auto more = RunAll(MeasureEach(touches, by_window), size.repetitions);
  if (!more.ok()) return more.status();
  std::move(more->begin(), more->end(), std::back_inserter(*rows));
  const Workloads allocations = MakeArenaSizeWorkloads(size.effort, page_size);
  more = RunAll(MeasureEach(allocations, by_size), size.repetitions);
  if (!more.ok()) return more.status();
  std::move(more->begin(), more->end(), std::back_inserter(*rows));
  return absl::OkStatus();
}

// Of pages and of objects.
absl::Status CheckSelection(const Size& size, size_t page_size) {
  std::vector<std::string> operations;
  std::vector<std::string> subjects;
  AddNames(MakeWorkloads({}, size.effort, page_size), &operations);
  AddNames(MakeSubjects({}, absl::GetFlag(FLAGS_uarenad)), &subjects);
  AddObjectNames(&operations, &subjects);
  absl::Status status = CheckNames("--subjects", absl::GetFlag(FLAGS_subjects), subjects);
  status.Update(CheckNames("--operations", absl::GetFlag(FLAGS_operations), operations));
  return status;
}

absl::StatusOr<std::vector<Row>> MeasureAll(const Size& size, const Machine& machine) {
  const size_t page_size = machine.abilities.page_size;
  if (absl::Status status = CheckSelection(size, page_size); !status.ok()) return status;
  const std::vector<std::string> names = absl::GetFlag(FLAGS_subjects);
  const std::vector<std::string> operations = absl::GetFlag(FLAGS_operations);
  const Subjects subjects = MakeSubjects(names, absl::GetFlag(FLAGS_uarenad));
  const Workloads workloads = MakeWorkloads(operations, size.effort, page_size);

  const uint64_t huge_pages = HugePagesWanted(workloads, subjects, machine);
  HugePagePool pool;
  pool.Grow(huge_pages);
  fprintf(stderr, "warming up host memory\n");
  // Twice what a repetition touches: page tables and control memory come on top of the pages.
  WarmUpHostMemory(2 * size.effort.pages * page_size, huge_pages << 21);
  std::vector<Measurement> measurements = MeasureEach(workloads, subjects);
  std::vector<Measurement> objects = MeasureObjects(operations, names, size.objects);
  std::move(objects.begin(), objects.end(), std::back_inserter(measurements));
  if (measurements.empty()) {
    return absl::InvalidArgumentError("none of --operations is done to any of --subjects");
  }
  absl::StatusOr<std::vector<Row>> rows = RunAll(std::move(measurements), size.repetitions);
  if (!rows.ok() || absl::GetFlag(FLAGS_plot).empty()) return rows;
  if (absl::Status status = AddRowsForPlots(size, page_size, &*rows); !status.ok()) return status;
  return rows;
}

absl::Status Run() {
  if (absl::Status status = CheckOutputs(); !status.ok()) return status;
  Report report;
  report.machine = DescribeMachine();
  const absl::StatusOr<Size> size = ChosenSize(report.machine);
  if (!size.ok()) return size.status();
  report.repetitions = size->repetitions;

  const int64_t start = NowNs();
  const CpuTimes before = ReadCpuTimes();
  absl::StatusOr<std::vector<Row>> rows = MeasureAll(*size, report.machine);
  if (!rows.ok()) return rows.status();
  const CpuTimes after = ReadCpuTimes();
  report.seconds = static_cast<double>(NowNs() - start) / 1e9;
  report.used = {after.busy - before.busy, after.own - before.own, after.stolen - before.stolen};
  report.rows = *std::move(rows);
  report.ratios = ComputeRatios(report.rows, DefaultSubjectName());

  PrintReport(report, stdout);
  if (const std::string json = absl::GetFlag(FLAGS_json); !json.empty()) {
    if (absl::Status status = WriteJson(report, json); !status.ok()) return status;
  }
  const std::string plot = absl::GetFlag(FLAGS_plot);
  return plot.empty() ? absl::OkStatus() : DrawPlots(report.rows, plot);
}

}  // namespace
}  // namespace uarena::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "measures the first touch, allocation and freeing of pages in uarena, memfd, hugetlb, "
      "anonymous memory, a plain userfaultfd loop and bpf_arena; and heaps, containers and locks "
      "in uarena, Boost.Interprocess and a process' own memory");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = uarena::bench::Run();
  if (status.ok()) return 0;
  fprintf(stderr, "fault_latency: %s\n", status.ToString().c_str());
  return 1;
}
