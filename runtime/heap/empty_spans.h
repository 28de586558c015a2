// SPDX-License-Identifier: Apache-2.0
//
// The spans without blocks that a thread keeps for its next ones: at most 64, and 1 MiB; the oldest
// goes first.
#ifndef UARENA_HEAP_EMPTY_SPANS_H_
#define UARENA_HEAP_EMPTY_SPANS_H_

#include <algorithm>
#include <array>
#include <cstdint>

namespace uarena {

struct EmptySpan {
  uint32_t span = 0;
  uint64_t pages = 0;
};

// Not thread-safe.
class EmptySpans {
 public:
  explicit EmptySpans(uint64_t most_pages) : most_pages_(most_pages) {}

  // Whether a span of so many pages is worth keeping: one does not take all the room.
  bool Worth(uint64_t pages) const { return pages <= std::max<uint64_t>(most_pages_ / 2, 1); }

  // The smallest of at least `least` and at most `most` pages; span 0: none.
  EmptySpan Take(uint64_t least, uint64_t most) {
    uint32_t best = count_;
    for (uint32_t i = 0; i < count_; ++i) {
      if (spans_[i].pages < least || spans_[i].pages > most) continue;
      if (best == count_ || spans_[i].pages < spans_[best].pages) best = i;
    }
    return best == count_ ? EmptySpan() : Remove(best);
  }

  // The oldest, if `pages` more would be too much; span 0: there is room.
  EmptySpan TakeSurplus(uint64_t pages) {
    if (count_ == 0 || (count_ < kMost && pages_ + pages <= most_pages_)) return {};
    return Remove(0);
  }
  void Add(const EmptySpan& span) {
    spans_[count_++] = span;
    pages_ += span.pages;
  }

 private:
  static constexpr uint32_t kMost = 64;

  EmptySpan Remove(uint32_t i) {
    const EmptySpan span = spans_[i];
    std::copy(spans_.begin() + i + 1, spans_.begin() + count_, spans_.begin() + i);
    --count_;
    pages_ -= span.pages;
    return span;
  }

  const uint64_t most_pages_;
  uint64_t pages_ = 0;
  uint32_t count_ = 0;
  std::array<EmptySpan, kMost> spans_;  // the oldest first
};

}  // namespace uarena

#endif  // UARENA_HEAP_EMPTY_SPANS_H_
