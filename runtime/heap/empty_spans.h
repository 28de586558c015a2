// SPDX-License-Identifier: Apache-2.0
//
// The spans without blocks that a thread keeps for its next ones, by their number of pages. In a
// shortage others take them, and may make anything of them, so what is written here is only where
// to look: the spans' states say whose they are. For the same reason it is this process's memory.
#ifndef UARENA_HEAP_EMPTY_SPANS_H_
#define UARENA_HEAP_EMPTY_SPANS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace uarena {

struct EmptySpan {
  uint32_t span = 0;      // 0: none
  uint32_t since_ms = 0;  // when it was added
};

// Not thread-safe.
class EmptySpans {
 public:
  // With shorter ones there would be more than the table of spans holds.
  static constexpr uint64_t kLeastPages = 4;
  // Longer ones are not worth keeping.
  static constexpr uint64_t kMostPages = 128;

  void Add(const EmptySpan& span, uint64_t pages) {
    by_pages_[pages].spans.push_back(span);
    most_ = std::max(most_, pages);
  }

  // Removes the one of the fewest pages of at least `count`, unless it has a few more, which would
  // be wasted.
  EmptySpan Remove(uint64_t count) {
    for (uint64_t pages = std::max<uint64_t>(count, 1); pages <= most_; ++pages) {
      if (pages > count + count / 16 && pages < count + kLeastPages) continue;
      if (by_pages_[pages].any()) return by_pages_[pages].RemoveNewest();
    }
    return {};
  }

  // Removes one that was added before `time_ms`.
  EmptySpan RemoveOlder(uint32_t time_ms) {
    for (uint64_t pages = 1; pages <= most_; ++pages) {
      Queue& queue = by_pages_[pages];
      if (queue.any() && static_cast<int32_t>(time_ms - queue.oldest().since_ms) > 0) {
        return queue.RemoveOldest();
      }
    }
    return {};
  }

 private:
  struct Queue {
    std::vector<EmptySpan> spans;  // from `head` on, the oldest first
    size_t head = 0;

    bool any() const { return head != spans.size(); }
    const EmptySpan& oldest() const { return spans[head]; }
    // Its pages are in the processor's caches.
    EmptySpan RemoveNewest() {
      const EmptySpan span = spans.back();
      spans.pop_back();
      return span;
    }
    EmptySpan RemoveOldest() {
      const EmptySpan span = spans[head++];
      if (head > spans.size() / 2) {
        spans.erase(spans.begin(), spans.begin() + static_cast<ptrdiff_t>(head));
        head = 0;
      }
      return span;
    }
  };

  uint64_t most_ = 0;  // pages of any that was added
  std::array<Queue, kMostPages + 1> by_pages_;
};

}  // namespace uarena

#endif  // UARENA_HEAP_EMPTY_SPANS_H_
