// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/uarena_heap.h"

#include <unistd.h>

#include <utility>

#include "uarena/heap.h"

namespace uarena::bench {
namespace {

constexpr uint64_t kArenaBytes = uint64_t{4} << 30;

class UarenaHeap : public BenchHeap {
 public:
  explicit UarenaHeap(Arena arena) : arena_(std::move(arena)), heap_(arena_) {}

  void* Allocate(size_t size) override { return heap_.TryAllocate(size); }
  bool Free(void* block, size_t /*size*/) override { return heap_.TryFree(block); }

  std::optional<double> UsedBytes() override {
    const absl::StatusOr<HeapStats> stats = heap_.Stats();
    if (!stats.ok()) return std::nullopt;
    const auto page_size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    return static_cast<double>(stats->pages * page_size + stats->metadata_bytes);
  }

 private:
  Arena arena_;
  Heap heap_;
};

}  // namespace

absl::StatusOr<Arena> MakeObjectArena() {
  ArenaOptions options;
  options.max_pages = kArenaBytes / static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return Arena::Create(options);
}

absl::Status UarenaHeapSubject::CheckAvailable(const HeapNeed& /*need*/) {
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BenchHeap>> UarenaHeapSubject::Make(const HeapNeed& /*need*/) {
  absl::StatusOr<Arena> arena = MakeObjectArena();
  if (!arena.ok()) return arena.status();
  return std::make_unique<UarenaHeap>(*std::move(arena));
}

}  // namespace uarena::bench
