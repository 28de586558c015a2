// SPDX-License-Identifier: Apache-2.0
#include "bench/workloads/contended_workload.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/support/child_processes.h"
#include "bench/support/clock.h"
#include "bench/support/page_run.h"
#include "bench/support/rendezvous.h"
#include "bench/support/shared_memory.h"

namespace uarena::bench {
namespace {

constexpr uint64_t kBatch = 64;

// One process' side of it, and the pages that it holds.
struct Worker {
  Allocator* allocator;
  bool frees;
  std::vector<char*> held;

  absl::StatusOr<uint64_t> Batch() {
    if (frees) return allocator->ChurnNs(1, kBatch);
    std::array<char*, kBatch> pages;
    absl::StatusOr<uint64_t> ns = allocator->AllocRuns(1, pages);
    if (ns.ok()) held.insert(held.end(), pages.begin(), pages.end());
    return ns;
  }
};

}  // namespace

struct ContendedAlloc::State {
  Rendezvous warm;
  std::atomic<bool> stop{false};
  Rendezvous written;
};

ContendedAlloc::ContendedAlloc(std::string name, std::string title, int processes, bool frees,
                               uint64_t pages, std::chrono::nanoseconds duration, size_t page_size)
    : MappedWorkload(std::move(name), std::move(title), kBatch,
                     static_cast<uint64_t>(processes) * std::max<uint64_t>(pages / kBatch, 1)),
      processes_(processes),
      frees_(frees),
      batches_(std::max<uint64_t>(pages / kBatch, 1)),
      duration_(duration),
      page_size_(page_size) {}

Need ContendedAlloc::need() const {
  // Of two processes that keep what they get, also where there is one: the arenas are alike.
  const uint64_t pages = frees_ ? 1 << 16 : 2 * (batches_ + 2) * kBatch;
  return {.span_bytes = pages * page_size_, .allocates = true, .frees = frees_, .forks = true};
}

absl::Status ContendedAlloc::Measure(Memory& memory, uint64_t seed, Samples* samples) {
  Shared<State> state;
  return RunInChildren(processes_, [&](int child) {
    return Work(memory, seed + (static_cast<uint64_t>(child) << 32), *state, samples);
  });
}

absl::Status ContendedAlloc::Work(Memory& memory, uint64_t seed, State& state,
                                  Samples* samples) const {
  Worker worker = {.allocator = memory.allocator(), .frees = frees_, .held = {}};
  worker.held.reserve(((frees_ ? 0 : batches_) + 2) * kBatch);
  std::vector<uint32_t> nanoseconds;
  nanoseconds.reserve(batches_);
  if (absl::Status status = worker.Batch().status(); !status.ok()) return status;

  if (absl::Status status = state.warm.Meet(processes_); !status.ok()) return status;
  const int64_t end = NowNs() + duration_.count();
  while (!state.stop.load(std::memory_order_relaxed)) {
    const absl::StatusOr<uint64_t> ns = worker.Batch();
    if (!ns.ok()) {
      state.stop = true;
      return ns.status();
    }
    nanoseconds.push_back(SampleNs(static_cast<int64_t>(*ns) / processes_));
    if (NowNs() >= end || nanoseconds.size() >= batches_) state.stop = true;
  }
  samples->Append(nanoseconds);

  // No two processes may have been given one page, nor one that is not zeroed.
  worker.frees = false;
  if (absl::Status status = worker.Batch().status(); !status.ok()) return status;
  std::vector<PageRun> pages;
  for (char* page : worker.held) pages.push_back({memory.base(), page, 1, page_size_});
  for (const PageRun& page : pages) page.TouchAll(seed);
  if (absl::Status status = state.written.Meet(processes_); !status.ok()) return status;
  for (const PageRun& page : pages) samples->AddWrongPages(page.WrongPages(seed));
  return absl::OkStatus();
}

}  // namespace uarena::bench
