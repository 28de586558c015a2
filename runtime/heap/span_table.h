// SPDX-License-Identifier: Apache-2.0
//
// The heap as it lies in the control memory: spans, which are runs of pages, and caches, which are
// what owns them.
//
// A span is in one of these states, and every change of state is one transaction or one store:
//
//   UNUSED   no pages; in the list of unused spans
//   SLAB     blocks of one size class, which the owner gives and takes; with owner 0 nobody's, and
//   in
//            the list of its class
//   LARGE    one block, which anybody may free
//   EMPTY    pages without blocks, which the owner keeps for the next span, unless somebody in need
//   takes
//            them
//   HELD     the same in the owner's hands alone, on the way to or from one of the others
//
// A cache is one thread's. Its number is its owner's name in the spans' states; a table says which
// process each is of, so that recovery finds what a dead process had. All else that a thread knows
// of its spans (heap/ thread_cache.h) is in its own memory or a hint, and made anew by who takes
// the spans over.
#ifndef UARENA_HEAP_SPAN_TABLE_H_
#define UARENA_HEAP_SPAN_TABLE_H_

#include <algorithm>
#include <cstdint>

#include "heap/size_class.h"
#include "pages/control.h"
#include "pages/steps.h"

namespace uarena {

enum class SpanKind : uint32_t { kUnused = 0, kSlab, kLarge, kEmpty, kHeld };

struct SpanState {
  SpanKind kind = SpanKind::kUnused;
  uint32_t size_class = 0;  // of a slab
  uint32_t cache = 0;       // 0: nobody's

  static SpanState Unpack(uint32_t packed) {
    return {static_cast<SpanKind>(packed >> 8 & 7), packed & 0x7f, packed >> 16};
  }
  uint32_t Pack() const { return cache << 16 | static_cast<uint32_t>(kind) << 8 | size_class; }
};

// Its pages, clipped to the arena, since the words may be damaged.
struct SpanPages {
  uint64_t first = 0;
  uint64_t count = 0;
};

// How code reaches spans. Cheap to copy; the control must outlive it. Thread-safe.
class SpanTable {
 public:
  SpanTable() = default;
  SpanTable(const Control& control, const SpanShapes& shapes)
      : control_(&control),
        shapes_(&shapes),
        geometry_(control.description().geometry),
        span_count_(static_cast<uint32_t>(control.layout().span_count)),
        words_(&control.word(control.layout().spans)),
        hints_(&control.span_hints(0)),
        map_(&control.span_map(0)),
        free_bits_(control.free_bits(0)),
        remote_bits_(control.remote_bits(0)),
        bit_words_shift_(geometry_.page_shift - kGranuleShift) {}

  const Control& control() const { return *control_; }
  const SpanShapes& shapes() const { return *shapes_; }
  const Geometry& geometry() const { return geometry_; }

  // Spans from here on have never been used.
  uint32_t end() const {
    const uint32_t used = WordValue(control_->word(kWordSpansUsed).load(std::memory_order_acquire));
    return std::min(used, span_count_ - 1) + 1;
  }
  bool Exists(uint32_t span) const { return span - 1 < span_count_ - 1; }

  SpanState State(uint32_t span) const { return SpanState::Unpack(Value(span, kSpanState)); }
  SpanPages Pages(uint32_t span) const {
    const uint64_t max_pages = geometry_.max_pages;
    const uint64_t first = std::min<uint64_t>(Value(span, kSpanFirst), max_pages);
    return {first, std::min<uint64_t>(Value(span, kSpanCount), max_pages - first)};
  }
  // The shape of a slab; null if its words make no sense.
  const SpanShape* SlabShape(const SpanState& state, const SpanPages& pages) const {
    if (state.kind != SpanKind::kSlab || state.size_class >= kSizeClasses) return nullptr;
    const SpanShape& shape = shapes_->of[state.size_class];
    return shape.blocks != 0 && pages.count >= shape.pages ? &shape : nullptr;
  }
  uint32_t Value(uint32_t span, SpanWord word) const {
    return WordValue(words_[uint64_t{span} * kSpanWords + word].load(std::memory_order_acquire));
  }
  Word& Remote(uint32_t span) const { return words_[uint64_t{span} * kSpanWords + kSpanRemote]; }
  SpanHints& Hints(uint32_t span) const { return hints_[span]; }
  std::atomic<uint32_t>& MapEntry(uint64_t page) const { return map_[page]; }
  // The bits of the blocks from a page on.
  std::atomic<uint64_t>* FreeBits(uint64_t page) const { return free_bits_ + BitWord(page); }
  std::atomic<uint64_t>* RemoteBits(uint64_t page) const { return remote_bits_ + BitWord(page); }

  // The span that contains a page; 0: none.
  uint32_t SpanOf(uint64_t page) const {
    const uint32_t span = MapEntry(page).load(std::memory_order_relaxed);
    if (!Exists(span)) return 0;
    const SpanPages pages = Pages(span);
    return page - pages.first < pages.count && State(span).kind != SpanKind::kUnused ? span : 0;
  }

 private:
  uint64_t BitWord(uint64_t page) const { return (page << bit_words_shift_) * kGranuleBitWords; }

  const Control* control_ = nullptr;
  const SpanShapes* shapes_ = nullptr;
  // What the layout says, computed once: freeing a block needs all of it.
  Geometry geometry_;
  uint32_t span_count_ = 0;
  Word* words_ = nullptr;
  SpanHints* hints_ = nullptr;
  std::atomic<uint32_t>* map_ = nullptr;
  std::atomic<uint64_t>* free_bits_ = nullptr;
  std::atomic<uint64_t>* remote_bits_ = nullptr;
  uint32_t bit_words_shift_ = 0;
};

// The shapes for a page size; static.
const SpanShapes& ShapesFor(uint32_t page_shift);

// A cache of the process, to be given back when it owns nothing. 0: 65,535 are taken.
uint32_t TakeCache(const Control& control, uint32_t process_slot, bool apart);
// From now on, what the cache owns is like any other's: the object is finished.
inline void EndApart(const Control& control, uint32_t cache) {
  control.cache(cache).fetch_and(~kCacheApart, std::memory_order_acq_rel);
}
void GiveCache(const Control& control, uint32_t cache);

// The steps below return 0 or -errno: -ENOENT (not so, or none), -ENOSPC (no room in the table),
// -EUCLEAN. `operation` is the caller's.

// Makes the pages that the operation has allocated and still holds (Allocator::AllocateHeld) an
// EMPTY span of the cache, and ends the operation's intent.
int CreateSpan(const SpanTable& table, uint32_t operation, const SpanPages& pages, uint32_t cache,
               uint32_t* span);

// Makes an EMPTY span the cache's HELD one, if it is the cache's, or with `anybodys` whosesoever it
// is.
int TakeEmpty(const SpanTable& table, uint32_t operation, uint32_t span, uint32_t cache,
              bool anybodys);
// Makes the pages from `count` on of a HELD span of the cache's a HELD span of their own.
int SplitSpan(const SpanTable& table, uint32_t operation, uint32_t span, uint64_t count,
              uint32_t cache, uint32_t* rest);
// Makes a HELD span that the caller owns a slab, whose bits have been set (heap/blocks.h), or
// large.
void UseSpan(const SpanTable& table, uint32_t span, const SpanState& state);

// Ends a HELD span of the caller's, or one that nobody can reach, and makes its pages a run that
// the operation is to free: its intent is kFreeRun then.
int EndSpan(const SpanTable& table, uint32_t operation, uint32_t span);

// Changes the state of a span that the caller owns and that no transaction of others can be about.
void SetOwnState(const SpanTable& table, uint32_t span, const SpanState& state);

// Makes a LARGE span that starts at `first`, and is of the cache `only_of` if that is not 0, the
// cache's HELD one; one caller succeeds.
int TakeLarge(const SpanTable& table, uint32_t operation, uint32_t span, uint64_t first,
              uint32_t cache, uint32_t only_of = 0);

// Makes a LARGE span nobody's, if it is the cache's.
int DisownLarge(const SpanTable& table, uint32_t operation, uint32_t span, uint32_t cache);

// Makes a slab nobody's.
int AbandonSlab(const SpanTable& table, uint32_t operation, uint32_t span);
// Makes a slab that is nobody's the cache's.
int AdoptSlab(const SpanTable& table, uint32_t operation, uint32_t size_class, uint32_t cache,
              uint32_t* span);
inline bool AnyAbandoned(const Control& control, uint32_t size_class) {
  return WordValue(control.word(control.layout().heap_lists + size_class)
                       .load(std::memory_order_relaxed)) != 0;
}

}  // namespace uarena

#endif  // UARENA_HEAP_SPAN_TABLE_H_
