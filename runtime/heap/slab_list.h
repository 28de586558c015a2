// SPDX-License-Identifier: Apache-2.0
//
// A list of one owner's slabs, linked through their hints. The links lie in shared memory, where
// only their owner writes; should somebody else have, they are checked before they are followed.
#ifndef UARENA_HEAP_SLAB_LIST_H_
#define UARENA_HEAP_SLAB_LIST_H_

#include <cstdint>

#include "heap/span_table.h"

namespace uarena {

// Where a slab is, of its owner's.
enum SlabPlace : uint32_t { kNowhere, kCurrent, kAvailable, kFull };

class SlabList {
 public:
  uint32_t first() const { return first_; }
  uint32_t last() const { return last_; }

  void PushFront(const SpanTable& table, uint32_t span, SlabPlace place) {
    Put(table, span, place, 0, first_);
  }
  void PushBack(const SpanTable& table, uint32_t span, SlabPlace place) {
    Put(table, span, place, last_, 0);
  }
  void Remove(const SpanTable& table, uint32_t span) {
    SpanHints& hints = table.Hints(span);
    const uint32_t prev = hints.prev.load(std::memory_order_relaxed);
    const uint32_t next = hints.next.load(std::memory_order_relaxed);
    SetNext(table, prev, next);
    SetPrev(table, next, prev);
    hints.place.store(kNowhere, std::memory_order_relaxed);
  }

 private:
  void Put(const SpanTable& table, uint32_t span, SlabPlace place, uint32_t prev, uint32_t next) {
    SpanHints& hints = table.Hints(span);
    hints.place.store(place, std::memory_order_relaxed);
    hints.prev.store(prev, std::memory_order_relaxed);
    hints.next.store(next, std::memory_order_relaxed);
    SetNext(table, prev, span);
    SetPrev(table, next, span);
  }
  void SetNext(const SpanTable& table, uint32_t span, uint32_t next) {
    if (!table.Exists(next)) next = 0;
    if (table.Exists(span)) {
      table.Hints(span).next.store(next, std::memory_order_relaxed);
    } else {
      first_ = next;
    }
  }
  void SetPrev(const SpanTable& table, uint32_t span, uint32_t prev) {
    if (!table.Exists(prev)) prev = 0;
    if (table.Exists(span)) {
      table.Hints(span).prev.store(prev, std::memory_order_relaxed);
    } else {
      last_ = prev;
    }
  }

  uint32_t first_ = 0;
  uint32_t last_ = 0;
};

}  // namespace uarena

#endif  // UARENA_HEAP_SLAB_LIST_H_
