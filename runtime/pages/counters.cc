// SPDX-License-Identifier: Apache-2.0
#include "pages/counters.h"

#include <algorithm>

namespace uarena {

PageCounts CountPages(const Control& control) {
  auto counter = [&](CounterWord word) {
    return WordValue(control.word(word).load(std::memory_order_relaxed));
  };
  uint32_t kept = counter(kWordKept);
  const uint32_t high =
      std::min(control.header().operation_high.load(std::memory_order_acquire), kMaxOperations);
  for (uint32_t i = 1; i < high; ++i) {
    kept += control.operation(i).kept_delta.load(std::memory_order_relaxed);
  }
  // Clipped, since they were not read at one moment, and may be damaged.
  uint64_t left = control.max_pages();
  auto take = [&](uint64_t pages) {
    pages = std::min(pages, left);
    left -= pages;
    return pages;
  };
  PageCounts counts;
  counts.free = take(counter(kWordFree));
  counts.reserved = take(counter(kWordReserved));
  counts.ahead = take(counter(kWordAhead));
  counts.kept = take(static_cast<uint64_t>(std::max<int64_t>(static_cast<int32_t>(kept), 0)));
  counts.allocated = left;
  return counts;
}

}  // namespace uarena
