// SPDX-License-Identifier: Apache-2.0
//
// One thread's part of a heap: the spans that it owns, by size class, and how it allocates from
// them without anybody else's doing anything.
//
// A slab is current (its class allocates from it), available (has free blocks), or full. Full ones
// get free blocks when others free them, which nobody announces: a class that needs a slab looks at
// some of its full ones, in turn, before it takes pages. So at most a small part of them is
// overlooked, and a process that is killed while it frees leaves nothing half done.
#ifndef UARENA_HEAP_THREAD_CACHE_H_
#define UARENA_HEAP_THREAD_CACHE_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

#include "absl/base/optimization.h"
#include "heap/blocks.h"
#include "heap/empty_spans.h"
#include "heap/page_source.h"
#include "heap/slab_list.h"
#include "heap/span_table.h"

namespace uarena {

// Belongs to one thread at a time.
class ThreadCache {
 public:
  // `id` is the cache's number. With `apart` it takes nothing over from others: all that it owns it
  // has allocated, so that what was allocated in it can be thrown away as a whole.
  ThreadCache(const SpanTable& table, const PageSource& source, uint32_t id, bool apart);
  ThreadCache(const ThreadCache&) = delete;
  ThreadCache& operator=(const ThreadCache&) = delete;

  uint32_t id() const { return id_; }
  uint32_t page_shift() const { return table_.geometry().page_shift; }

  // Null: the arena has no room, for which `last_error` is the reason, as -errno. The alignment
  // must be a power of two up to the page size.
  void* Allocate(uint64_t size, uint64_t alignment) {
    uint32_t size_class = 0;
    if (ABSL_PREDICT_TRUE(size - 1 < 1024 && alignment <= 16)) {
      size_class = ClassOf(size);
    } else if (!ClassFor(size, alignment, &size_class)) {
      return AllocateLarge(size);
    }
    void* block = TakeBlock(classes_[size_class]);
    return ABSL_PREDICT_TRUE(block != nullptr) ? block : AllocateSlowly(size_class, alignment);
  }
  int last_error() const { return last_error_; }

  // False: it is not a block in use.
  bool Free(uint64_t address) {
    const Geometry& geometry = table_.geometry();
    const uint64_t offset = address - geometry.base;
    if (ABSL_PREDICT_FALSE(offset >= geometry.bytes())) return false;
    const uint32_t span =
        table_.MapEntry(offset >> geometry.page_shift).load(std::memory_order_relaxed);
    if (ABSL_PREDICT_FALSE(!table_.Exists(span))) return false;
    const SpanState state = table_.State(span);
    const uint64_t first = table_.Value(span, kSpanFirst);
    if (ABSL_PREDICT_FALSE(state.kind != SpanKind::kSlab || state.size_class >= kSizeClasses)) {
      return state.kind == SpanKind::kLarge && address == geometry.AddressOf(first) &&
             FreeLarge(span, first);
    }
    const SpanShape& shape = table_.shapes().of[state.size_class];
    const uint64_t inside = offset - (first << geometry.page_shift);
    if (ABSL_PREDICT_FALSE(inside >= shape.bytes)) return false;
    const uint32_t block = shape.BlockAt(inside);
    if (ABSL_PREDICT_FALSE(uint64_t{block} * shape.size != inside || block >= shape.blocks)) {
      return false;
    }
    Blocks blocks(table_, span, first, shape);
    if (ABSL_PREDICT_FALSE(state.cache != id_)) return blocks.GiveRemotely(block);
    if (ABSL_PREDICT_FALSE(!blocks.Give(block))) return false;
    Class& of = classes_[state.size_class];
    of.recent[of.recent_end++ % kRecent] = {blocks.FreeWord(block), address, span, block % 64};
    if (of.recent_count != kRecent) ++of.recent_count;
    if (table_.Hints(span).place.load(std::memory_order_relaxed) != kCurrent) NoteFreed(of, span);
    return true;
  }

  // Ends spans without a block in use, with `all` also those that nobody owns. Returns how many
  // pages they had.
  uint64_t Trim(bool all);
  // Gives everything up, to whoever wants it.
  void Abandon();
  // Gives everything to the same thread's other cache.
  void MergeInto(ThreadCache& other);

  // The cache that the thread uses at the moment: this one, or one apart.
  ThreadCache* in_use() { return in_use_ != nullptr ? in_use_ : this; }
  void Use(ThreadCache* other) { in_use_ = other; }

 private:
  static constexpr uint32_t kRecent = 16;
  struct Recent {
    std::atomic<uint64_t>* bits;
    uint64_t address;
    uint32_t span;
    uint32_t bit;
  };
  struct Class {
    // The word of free bits that blocks are taken from, where its first block lies, and how many
    // blocks it is for.
    std::atomic<uint64_t>* bits = nullptr;
    uint64_t address = 0;
    uint32_t blocks = 0;
    uint32_t size = 0;
    uint32_t most_blocks = 0;  // in a slab
    uint32_t current = 0;      // the slab; 0: none
    // Blocks that were freed lately, which are taken first, since they are in the processor's
    // caches; the newest last, in a ring. A block may have been taken otherwise meanwhile: its bit
    // says so.
    uint32_t recent_end = 0;
    uint32_t recent_count = 0;
    std::array<Recent, kRecent> recent;
    SlabList available;
    SlabList full;  // the one looked at longest ago first
  };

  bool ClassFor(uint64_t size, uint64_t alignment, uint32_t* size_class) const;
  void* AllocateSlowly(uint32_t size_class, uint64_t alignment);
  void* AllocateFromLarger(uint32_t size_class, uint64_t alignment);
  void* AllocateLarge(uint64_t size);
  bool FreeLarge(uint32_t span, uint64_t first);

  Blocks BlocksOf(uint32_t span, uint32_t size_class) const {
    return Blocks(table_, span, table_.Pages(span).first, table_.shapes().of[size_class]);
  }
  void* TakeBlock(Class& of) {
    while (of.recent_count != 0) {
      --of.recent_count;
      const Recent& recent = of.recent[--of.recent_end % kRecent];
      const uint64_t recent_bits = recent.bits->load(std::memory_order_relaxed);
      const uint64_t bit = uint64_t{1} << recent.bit;
      if (ABSL_PREDICT_FALSE((recent_bits & bit) == 0)) continue;
      recent.bits->store(recent_bits & ~bit, std::memory_order_relaxed);
      SpanHints& hints = table_.Hints(recent.span);
      if (hints.place.load(std::memory_order_relaxed) != kCurrent) {
        hints.free_blocks.store(hints.free_blocks.load(std::memory_order_relaxed) - 1,
                                std::memory_order_relaxed);
      }
      return reinterpret_cast<void*>(recent.address);
    }
    const uint64_t bits = of.bits->load(std::memory_order_relaxed);
    const auto block = static_cast<uint32_t>(std::countr_zero(bits));
    // 64 if there is none; more than there are only in damaged memory.
    if (ABSL_PREDICT_FALSE(block >= of.blocks)) return nullptr;
    of.bits->store(bits & (bits - 1), std::memory_order_relaxed);
    return reinterpret_cast<void*>(of.address + uint64_t{block} * of.size);
  }
  void NoteFreed(Class& of, uint32_t span);
  // Each lets the class take blocks from a slab. False: there is none.
  bool ContinueCurrent(Class& of, uint32_t size_class);
  bool NextAvailable(Class& of, uint32_t size_class);
  bool NextFull(Class& of, uint32_t size_class, uint32_t looks);
  bool Adopt(Class& of, uint32_t size_class);
  bool NewSlab(Class& of, uint32_t size_class);
  bool SetCurrent(Class& of, uint32_t size_class, uint32_t span);
  void RetireCurrent(Class& of);
  // Puts a slab of the cache's, which is in no list, where its blocks say that it belongs.
  void Sort(Class& of, uint32_t size_class, uint32_t span);
  // Calls visit(span) for each slab of the class, which is in no list then.
  template <typename Visit>
  void TakeApart(Class& of, Visit visit);

  // A HELD span of `count` pages, or a few more; 0: there is none.
  uint32_t TakeSpan(uint64_t count);
  uint32_t TakeKept(uint64_t count);
  uint32_t NewSpan(uint64_t count);
  // Keeps what of a HELD span is beyond `count` pages, if that is worth a span.
  void CutOff(uint32_t span, uint64_t count, uint32_t since_ms);
  // Makes a HELD span an EMPTY one; or an EMPTY one that is still the cache's a HELD one.
  void Keep(uint32_t span, uint32_t since_ms);
  bool TakeBack(uint32_t span);
  void BecomeEmpty(Class& of, uint32_t span);
  void KeepEmpty(uint32_t span);
  bool EndEmpty(uint32_t time_ms);
  uint64_t EndOthersEmpty();
  bool End(uint32_t span);
  // Whether the last error is a shortage; and takes back what can be had then.
  bool NoRoom() const;
  bool MakeRoom();

  SpanTable table_;
  PageSource source_;
  const uint32_t id_;
  const bool apart_;
  int last_error_ = 0;
  ThreadCache* in_use_ = nullptr;
  std::array<Class, kSizeClasses> classes_;
  EmptySpans empty_;
  uint64_t new_pages_ = 0;    // ever
  uint64_t ended_pages_ = 0;  // ever
  // Of spans that could not be dealt with: then the cache stays, and recovery deals with it.
  bool left_some_ = false;
  std::vector<uint32_t> large_;  // what a cache apart has allocated
};
}  // namespace uarena

#endif  // UARENA_HEAP_THREAD_CACHE_H_
