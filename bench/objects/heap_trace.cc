// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "bench/objects/block.h"
#include "bench/objects/heap_workload.h"
#include "bench/objects/trace.h"
#include "bench/support/child_processes.h"
#include "bench/support/clock.h"
#include "bench/support/shared_memory.h"

namespace uarena::bench {
namespace {

constexpr uint64_t kBatch = 64;  // operations
// At most 40 bytes for each allocation of the trace are live at once; the rest is for what lies
// between the blocks.
constexpr uint64_t kHeapBytesPerAllocation = 256;
constexpr uint64_t kLeastHeapBytes = uint64_t{16} << 20;

// The blocks of a trace while it is replayed.
class Replay {
 public:
  Replay(BenchHeap& heap, const Trace& trace)
      : heap_(heap), trace_(trace), blocks_(trace.slots, nullptr) {}

  bool Run(std::span<const TraceOperation> operations) {
    return std::all_of(operations.begin(), operations.end(), [this](TraceOperation operation) {
      return operation.frees != 0 ? Free(operation.slot, operation.size)
                                  : Allocate(operation.slot, operation.size);
    });
  }

  bool FreeAll() {
    for (uint32_t slot = 0; slot < trace_.slots; ++slot) {
      if (trace_.live_sizes[slot] == 0) continue;
      if (!Free(slot, trace_.live_sizes[slot])) return false;
    }
    return true;
  }

  uint64_t wrong() const { return wrong_; }

 private:
  bool Allocate(uint32_t slot, uint32_t size) {
    void* block = heap_.Allocate(size);
    if (block == nullptr) return false;
    WriteEnds(block, size, static_cast<uint8_t>(slot));
    blocks_[slot] = block;
    return true;
  }

  bool Free(uint32_t slot, uint32_t size) {
    void* block = blocks_[slot];
    wrong_ += HoldsEnds(block, size, static_cast<uint8_t>(slot)) ? 0 : 1;
    return heap_.Free(block, size);
  }

  BenchHeap& heap_;
  const Trace& trace_;
  std::vector<void*> blocks_;
  uint64_t wrong_ = 0;
};

class TraceWorkload : public HeapWorkload {
 public:
  TraceWorkload(std::string name, std::string title, uint64_t allocations)
      : HeapWorkload(std::move(name), std::move(title), kBatch,
                     2 * (allocations + kLongestRequest) / kBatch),
        allocations_(allocations) {}

  HeapNeed need() const override {
    return {.bytes = kLeastHeapBytes + allocations_ * kHeapBytesPerAllocation};
  }

 protected:
  absl::Status Measure(BenchHeap& heap, Samples* samples, Counters* counters) override {
    // Not before it is known that the run needs it.
    if (trace_.operations.empty()) trace_ = MakeTrace(allocations_);
    Shared<std::optional<double>> used;
    absl::Status status =
        RunInChildren(1, [&](int /*child*/) { return Work(heap, samples, &*used); });
    const auto asked = static_cast<double>(trace_.live_bytes);
    if (used->has_value()) {
      *counters = {
          {"asked_bytes", asked}, {"used_bytes", **used}, {"used_per_asked", **used / asked}};
    }
    return status;
  }

 private:
  absl::Status Work(BenchHeap& heap, Samples* samples, std::optional<double>* used) const {
    const std::span<const TraceOperation> operations = trace_.operations;
    // Ones, so that these pages are touched before, not while, measuring.
    std::vector<uint32_t> nanoseconds(operations.size() / kBatch, 1);
    Replay replay(heap, trace_);
    heap.StartCounting();
    bool done = replay.Run(operations) && replay.FreeAll();
    int64_t before = NowNs();
    for (size_t batch = 0; done && batch < nanoseconds.size(); ++batch) {
      done = replay.Run(operations.subspan(batch * kBatch, kBatch));
      const int64_t now = NowNs();
      nanoseconds[batch] = SampleNs(now - before);
      before = now;
    }
    done = done && replay.Run(operations.subspan(nanoseconds.size() * kBatch));
    samples->Append(nanoseconds);
    *used = heap.UsedBytes();
    if (!done || !replay.FreeAll()) {
      return absl::InternalError("a block could not be allocated or not be freed");
    }
    samples->AddWrongPages(replay.wrong());
    return absl::OkStatus();
  }

  const uint64_t allocations_;
  Trace trace_;
};

}  // namespace

std::unique_ptr<HeapWorkload> HeapTrace(std::string name, std::string title, uint64_t allocations) {
  return std::make_unique<TraceWorkload>(std::move(name), std::move(title), allocations);
}

}  // namespace uarena::bench
