// SPDX-License-Identifier: Apache-2.0
//
// The public heap: finds the calling thread's cache, and says why something failed.
#include "uarena/heap.h"

#include <bit>
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/arena_impl.h"
#include "client/attached.h"
#include "client/fork.h"
#include "client/page_status.h"
#include "client/thread_heap.h"
#include "heap/blocks.h"
#include "heap/heap_check.h"
#include "uarena/arena.h"
#include "uarena/internal/thread_owner.h"

namespace uarena {
namespace {

// Of the arenas that a thread uses, the last few; others are looked up.
struct ThreadHeap {
  uint64_t epoch;  // 0: unused
  void* base;
  ThreadCache* cache;
};
constexpr size_t kThreadHeaps = 4;
constinit thread_local ThreadHeap t_heaps[kThreadHeaps]{};

ThreadHeap& Remembered(void* base) {
  // Arenas lie 4 GiB apart, or more.
  return t_heaps[reinterpret_cast<uint64_t>(base) >> 32 & (kThreadHeaps - 1)];
}

// Its address names the thread. Only touched when a thread gets its first cache, since it costs a
// check at each use.
struct ThreadEnd {
  ~ThreadEnd() {
    ForEachArena([this](ArenaImpl& arena) { arena.heap().ThreadEnds(this); });
    for (ThreadHeap& heap : t_heaps) heap = {};
  }
};
thread_local ThreadEnd t_end;

// The arena, if it is attached here for writing.
ArenaImpl* Writable(void* base) {
  const std::optional<Attached> attached = FindAttached(base);
  return attached.has_value() && attached->owner_id != 0 ? attached->arena : nullptr;
}

ABSL_ATTRIBUTE_NOINLINE ThreadCache* LookUpCache(void* base) {
  const uint64_t epoch = AttachEpoch().load(std::memory_order_acquire);
  ArenaImpl* arena = Writable(base);
  ThreadCache* cache = arena == nullptr ? nullptr : arena->heap().CacheOf(&t_end);
  if (cache != nullptr) Remembered(base) = {epoch, base, cache->in_use()};
  return cache == nullptr ? nullptr : cache->in_use();
}

inline ThreadCache* CacheFor(void* base) {
  const ThreadHeap& heap = Remembered(base);
  if (ABSL_PREDICT_TRUE(heap.base == base &&
                        heap.epoch == internal::g_attach_epoch.load(std::memory_order_relaxed))) {
    return heap.cache;
  }
  return LookUpCache(base);
}

absl::Status NotAttached(const void* base, const char* call) {
  const std::optional<Attached> attached = FindAttached(base);
  if (attached.has_value() && attached->owner_id == 0) return RefuseReadOnly(call);
  return absl::FailedPreconditionError(
      absl::StrFormat("%s: no arena at %p is attached in this process; open it, and keep the Arena "
                      "as long as its heap is used",
                      call, base));
}

absl::Status NotABlock(const void* ptr, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrFormat("ptr %p %s", ptr, why));
}

// What a pointer is, for messages and sizes.
absl::StatusOr<size_t> BlockSize(const SpanTable& table, const void* ptr) {
  const auto address = reinterpret_cast<uint64_t>(ptr);
  const Geometry& geometry = table.geometry();
  if (!geometry.Contains(address)) {
    return NotABlock(ptr, absl::StrFormat("is not in the arena [0x%x, 0x%x)", geometry.base,
                                          geometry.base + geometry.bytes()));
  }
  const uint32_t span = table.SpanOf(geometry.PageOf(address));
  const SpanState state = table.State(span);
  const SpanPages pages = table.Pages(span);
  const SpanShape* shape = table.SlabShape(state, pages);
  const uint64_t inside = address - geometry.AddressOf(pages.first);
  if (span != 0 && state.kind == SpanKind::kLarge) {
    if (inside == 0) return pages.count << geometry.page_shift;
    return NotABlock(ptr, absl::StrCat("is ", inside, " bytes inside a block"));
  }
  if (span == 0 || shape == nullptr) {
    return NotABlock(ptr, "is not in the heap: it was never allocated there, or is free already");
  }
  const uint32_t block = shape->BlockAt(inside);
  if (block >= shape->blocks) return NotABlock(ptr, "is behind the last block of its span");
  if (uint64_t{block} * shape->size != inside) {
    return NotABlock(ptr, absl::StrCat("is ", inside - uint64_t{block} * shape->size,
                                       " bytes inside a block of ", shape->size));
  }
  if (!Blocks(table, span, pages.first, *shape).InUse(block)) {
    return NotABlock(ptr, "is free already (a double free?)");
  }
  return shape->size;
}

}  // namespace

UsingCache::UsingCache(Heap heap, ThreadCache* apart) : base_(heap.base()) {
  ArenaImpl* arena = Writable(base_);
  own_ = arena == nullptr ? nullptr : arena->heap().CacheOf(&t_end);
  if (own_ == nullptr) return;
  before_ = own_->in_use();
  own_->Use(apart);
  Remembered(base_) = {};
}

UsingCache::~UsingCache() {
  if (own_ == nullptr) return;
  own_->Use(before_);
  Remembered(base_) = {};
}

Heap::Heap(const Arena& arena) : base_(arena.base()) {}

void* Heap::TryAllocate(size_t size, size_t alignment) noexcept {
  ThreadCache* cache = CacheFor(base_);
  if (ABSL_PREDICT_FALSE(cache == nullptr)) return nullptr;
  const bool power = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (ABSL_PREDICT_FALSE(!power || alignment > uint64_t{1} << cache->page_shift())) return nullptr;
  return cache->Allocate(size, alignment);
}

bool Heap::TryFree(void* ptr) noexcept {
  ThreadCache* cache = CacheFor(base_);
  if (ABSL_PREDICT_TRUE(cache != nullptr && cache->Free(reinterpret_cast<uint64_t>(ptr)))) {
    return true;
  }
  return ptr == nullptr;
}

absl::Status Heap::WhyNot(size_t size, size_t alignment) const {
  ArenaImpl* arena = Writable(base_);
  if (arena == nullptr) return NotAttached(base_, "Allocate");
  if (!std::has_single_bit(alignment) || alignment > arena->geometry().page_size()) {
    return absl::InvalidArgumentError(absl::StrCat("alignment ", alignment,
                                                   " is not a power of two up to the page size, ",
                                                   arena->geometry().page_size()));
  }
  const ThreadCache* cache = CacheFor(base_);
  const std::string request = absl::StrCat("Allocate(", size, ")");
  if (cache == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat(request, ": ", kMaxHeapCaches - 1, " threads use this heap already"));
  }
  if (size > arena->geometry().bytes()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(request, ": the arena has ", arena->geometry().bytes(), " bytes in all"));
  }
  return PageStatus(cache->last_error() != 0 ? cache->last_error() : -ENOSPC, request,
                    arena->control());
}

absl::Status Heap::WhyNotFreed(const void* ptr) const {
  ArenaImpl* arena = Writable(base_);
  if (arena == nullptr) return NotAttached(base_, "Free");
  const absl::StatusOr<size_t> size = BlockSize(arena->heap().table(), ptr);
  if (!size.ok()) return size.status();
  return absl::ResourceExhaustedError(
      absl::StrFormat("ptr %p could not be freed: %d calls are running in this arena at once, or "
                      "it was free and has "
                      "been allocated again at this moment",
                      ptr, kMaxOperations - 1));
}

absl::StatusOr<size_t> Heap::UsableSize(const void* ptr) const {
  ArenaImpl* arena = Writable(base_);
  if (arena == nullptr) return NotAttached(base_, "UsableSize");
  return BlockSize(arena->heap().table(), ptr);
}

absl::StatusOr<HeapStats> Heap::Stats() const {
  ArenaImpl* arena = Writable(base_);
  if (arena == nullptr) return NotAttached(base_, "Stats");
  return CountHeap(arena->heap().table());
}

uint64_t Heap::Trim() {
  ThreadCache* cache = CacheFor(base_);
  return cache == nullptr ? 0 : cache->Trim(true);
}

}  // namespace uarena
