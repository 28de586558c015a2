// SPDX-License-Identifier: Apache-2.0
#include "bench/workloads/all_workloads.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/support/select.h"
#include "bench/workloads/alloc_workloads.h"
#include "bench/workloads/contended_workload.h"
#include "bench/workloads/open_workload.h"
#include "bench/workloads/touch_workloads.h"

namespace uarena::bench {
namespace {

constexpr uint64_t k2MiB = uint64_t{2} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = kGiB << 10;
// No bpf_arena is larger, and every subject gets the same work.
constexpr uint64_t kScatterBytes = 4 * kGiB;
// So many that the time ends the work.
constexpr uint64_t kUnlimitedPages = uint64_t{1} << 22;

std::unique_ptr<Workload> InFragments(std::string name, uint64_t span_bytes, const Effort& effort,
                                      size_t page_size) {
  return FragmentedAlloc(
      std::move(name),
      absl::StrCat("single pages allocated in an arena of ", span_bytes / kGiB,
                   " GiB, a tenth of it taken, in ", effort.fragments, " places"),
      span_bytes, effort.fragments, std::min<uint64_t>(effort.pages, 4096), page_size);
}

std::unique_ptr<Workload> Contended(int processes, bool frees, const Effort& effort,
                                    size_t page_size) {
  return std::make_unique<ContendedAlloc>(
      absl::StrCat(frees ? "alloc_" : "alloc_fresh_", processes, processes == 1 ? "proc" : "procs"),
      absl::StrCat(
          "single pages allocated and ", frees ? "freed" : "kept", " by ", processes,
          processes == 1 ? " process" : " processes at the same time (for each page of any)"),
      processes, frees, frees ? kUnlimitedPages : effort.pages, effort.contention, page_size);
}

std::string BySizeName(uint64_t gib) { return absl::StrCat("alloc_by_size_", gib, "GiB"); }

Workloads AllWorkloads(const Effort& effort, size_t page_size) {
  Workloads all;
  all.push_back(
      SequentialTouch("seq_first_touch", "fresh pages touched in order", effort.pages, page_size));
  all.push_back(ScatteredTouch(
      "scattered_first_touch", "fresh pages, one in every 2 MiB, touched in random order",
      std::clamp<uint64_t>(effort.pages / 8, 1, kScatterBytes / k2MiB), page_size));
  all.push_back(SecondProcessTouch(
      "second_process_touch",
      "pages that exist, touched in order by a second process (bpf_arena: by the user process, of "
      "pages allocated by a BPF program)",
      effort.pages, page_size));
  all.push_back(AllocTouch("alloc_touch_512", "fresh pages, allocated 512 at a time and touched",
                           512, /*reuse=*/false, effort.pages, page_size));
  all.push_back(AllocTouch("alloc_touch_512_reused",
                           "pages freed before, allocated 512 at a time and touched", 512,
                           /*reuse=*/true, effort.pages, page_size));
  for (const uint64_t run : {1, 16, 512}) {
    all.push_back(Churn(absl::StrCat("churn_", run),
                        absl::StrCat("pages allocated ", run, " at a time and freed"), run,
                        effort.pages, page_size));
  }
  all.push_back(InFragments("alloc_1GiB", kGiB, effort, page_size));
  all.push_back(InFragments("alloc_1TiB", kTiB, effort, page_size));
  for (const bool frees : {true, false}) {
    for (const int processes : {1, 2}) {
      all.push_back(Contended(processes, frees, effort, page_size));
    }
  }
  all.push_back(std::make_unique<OpenMemory>(
      "open_1TiB",
      "times that a new process makes or opens 1 TiB and writes to its first page (for each time)",
      kTiB, effort.openings, page_size));
  return all;
}

}  // namespace

Workloads MakeWorkloads(const std::vector<std::string>& names, const Effort& effort,
                        size_t page_size) {
  return SelectByName(AllWorkloads(effort, page_size), names);
}

Workloads MakeWindowWorkloads(const Effort& effort, size_t page_size) {
  Workloads workloads;
  workloads.push_back(SequentialTouch(kByWindow, "fresh pages touched in order, by window",
                                      effort.pages, page_size));
  return workloads;
}

Workloads MakeArenaSizeWorkloads(const Effort& effort, size_t page_size) {
  Workloads workloads;
  for (const auto& [name, gib] : ArenaSizesGib()) {
    workloads.push_back(InFragments(name, gib * kGiB, effort, page_size));
  }
  return workloads;
}

std::vector<std::pair<std::string, uint64_t>> ArenaSizesGib() {
  std::vector<std::pair<std::string, uint64_t>> sizes;
  for (uint64_t gib = 1; gib <= 1024; gib *= 4) sizes.emplace_back(BySizeName(gib), gib);
  return sizes;
}

}  // namespace uarena::bench
