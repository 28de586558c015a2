// SPDX-License-Identifier: Apache-2.0
#include "fault/plan.h"

#include <algorithm>

namespace uarena {

size_t PlanRanges(std::span<uint64_t> pages, std::span<PageRange> ranges) {
  std::sort(pages.begin(), pages.end());
  size_t used = 0;
  for (const uint64_t page : pages) {
    if (used > 0 && page < ranges[used - 1].end()) continue;
    if (used > 0 && page == ranges[used - 1].end()) {
      ++ranges[used - 1].count;
    } else {
      ranges[used++] = {page, 1};
    }
  }
  return used;
}

}  // namespace uarena
