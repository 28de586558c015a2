// SPDX-License-Identifier: Apache-2.0
//
// The spans without blocks that a thread keeps for its next ones, by their number of pages, and for
// how long it has had them. In a shortage others may take them, so each is taken by a transaction
// before it is used.
#ifndef UARENA_HEAP_EMPTY_SPANS_H_
#define UARENA_HEAP_EMPTY_SPANS_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "heap/slab_list.h"
#include "heap/span_table.h"

namespace uarena {

// Not thread-safe.
class EmptySpans {
 public:
  // With shorter ones there would be more than the table of spans holds.
  static constexpr uint64_t kLeastPages = 4;
  // Longer ones are not worth keeping.
  static constexpr uint64_t kMostPages = 128;

  // The one of the fewest pages of at least `count`, unless it has a few more, which would be
  // wasted; 0: none. It is out of the lists then, and the caller's if TakeEmpty says so.
  uint32_t Remove(const SpanTable& table, uint64_t count) {
    for (uint64_t pages = std::max<uint64_t>(count, 1); pages <= most_; ++pages) {
      if (pages > count + count / 16 && pages < count + kLeastPages) continue;
      // The newest: its pages are in the processor's caches.
      if (const uint32_t span = by_pages_[pages].last(); span != 0) return Out(table, span, pages);
    }
    return 0;
  }

  // One that is there since before `time_ms`; 0: none.
  uint32_t RemoveOlder(const SpanTable& table, uint32_t time_ms) {
    for (uint64_t pages = 1; pages <= most_; ++pages) {
      const uint32_t span = by_pages_[pages].first();
      if (span == 0) continue;
      const uint32_t since = table.Hints(span).since_ms.load(std::memory_order_relaxed);
      if (static_cast<int32_t>(time_ms - since) > 0) return Out(table, span, pages);
    }
    return 0;
  }

  void Add(const SpanTable& table, uint32_t span, uint64_t pages, uint32_t now_ms) {
    table.Hints(span).since_ms.store(now_ms, std::memory_order_relaxed);
    by_pages_[pages].PushBack(table, span, kNowhere);
    most_ = std::max(most_, pages);
  }

 private:
  uint32_t Out(const SpanTable& table, uint32_t span, uint64_t pages) {
    by_pages_[pages].Remove(table, span);
    return span;
  }

  uint64_t most_ = 0;                              // pages of any that was added
  std::array<SlabList, kMostPages + 1> by_pages_;  // the oldest first
};

}  // namespace uarena

#endif  // UARENA_HEAP_EMPTY_SPANS_H_
