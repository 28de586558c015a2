// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/all_objects.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "bench/objects/boost_heap.h"
#include "bench/objects/heap_subject.h"
#include "bench/objects/heap_workload.h"
#include "bench/objects/map_contenders.h"
#include "bench/objects/mutex_contenders.h"
#include "bench/objects/private_heaps.h"
#include "bench/objects/turns.h"
#include "bench/objects/uarena_heap.h"
#include "bench/support/select.h"

namespace uarena::bench {
namespace {

constexpr uint64_t kMostFindsPerSlice = 10000;
constexpr uint64_t kLockings = 10000;  // per slice

std::vector<std::shared_ptr<HeapSubject>> AllHeaps() {
  return {std::make_shared<UarenaHeapSubject>(), std::make_shared<BoostHeapSubject>(),
          std::make_shared<GlibcHeapSubject>(), std::make_shared<FreeListsSubject>()};
}

std::vector<std::shared_ptr<HeapWorkload>> AllHeapWorkloads(const ObjectEffort& effort) {
  return {
      HeapPairs("heap_64B",
                "times that a block is freed and another one allocated, of 16 to 512 bytes "
                "(for each time)",
                1, effort.pairs),
      HeapPairs("heap_64B_2procs",
                "times the same by 2 processes at the same time (for each time of any)", 2,
                effort.pairs),
      HeapTrace("heap_mixed",
                "allocations and frees of mixed sizes and lifetimes, replayed (for each of either)",
                effort.allocations),
  };
}

Measurement MeasureHeap(std::shared_ptr<HeapWorkload> workload,
                        std::shared_ptr<HeapSubject> subject) {
  Row row = {.workload = workload->name(), .title = workload->title(), .subject = subject->name()};
  row.skipped = std::string(subject->CheckAvailable(workload->need()).message());
  const uint64_t units = workload->units_per_sample();
  const uint64_t samples = workload->max_samples();
  return {.rows = {std::move(row)},
          .units_per_sample = units,
          .max_samples = samples,
          .run = [workload = std::move(workload), subject = std::move(subject)](
                     uint64_t /*seed*/, std::span<Outcome* const> outcomes) {
            return workload->Run(*subject, &outcomes[0]->samples, &outcomes[0]->counters);
          }};
}

void AddOnce(const std::string& name, std::vector<std::string>* names) {
  if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
}

std::vector<Turns> AllTurns(const ObjectEffort& effort) {
  const uint64_t finds = std::min(effort.elements, kMostFindsPerSlice);
  const uint64_t slices = effort.elements / finds;
  std::vector<Turns> all;
  all.push_back({.name = "unordered_map_find",
                 .title = "finds in a std::unordered_map of as many elements (for each)",
                 .units_per_slice = finds,
                 .slices = slices,
                 .contenders = MapContenders(effort.elements, slices, finds)});
  all.push_back(
      {.name = "mutex_uncontended",
       .title = "times that a mutex is locked and unlocked that nobody else wants (for each time)",
       .units_per_slice = kLockings,
       .slices = slices,
       .contenders = MutexContenders(kLockings)});
  return all;
}

}  // namespace

std::vector<Measurement> MeasureObjects(const std::vector<std::string>& operations,
                                        const std::vector<std::string>& subjects,
                                        const ObjectEffort& effort) {
  std::vector<Measurement> measurements;
  const auto heaps = AllHeaps();
  for (const auto& workload : AllHeapWorkloads(effort)) {
    if (!IsSelected(operations, workload->name())) continue;
    for (const auto& heap : heaps) {
      if (IsSelected(subjects, heap->name())) measurements.push_back(MeasureHeap(workload, heap));
    }
  }
  for (Turns& turns : AllTurns(effort)) {
    turns.contenders = SelectByName(std::move(turns.contenders), subjects);
    if (IsSelected(operations, turns.name) && !turns.contenders.empty()) {
      measurements.push_back(MeasureInTurns(std::move(turns)));
    }
  }
  return measurements;
}

void AddObjectNames(std::vector<std::string>* operations, std::vector<std::string>* subjects) {
  const ObjectEffort least = {.pairs = 1, .allocations = 1, .elements = 1};
  for (const Measurement& measurement : MeasureObjects({}, {}, least)) {
    for (const Row& row : measurement.rows) {
      AddOnce(row.workload, operations);
      AddOnce(row.subject, subjects);
    }
  }
}

}  // namespace uarena::bench
