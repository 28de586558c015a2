// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_PAGES_COUNTERS_H_
#define UARENA_PAGES_COUNTERS_H_

#include <cstdint>

#include "pages/control.h"

namespace uarena {

// How many pages are what. Every page is exactly one of these.
struct PageCounts {
  uint64_t free = 0;  // in free ranges
  uint64_t allocated = 0;
  uint64_t reserved = 0;
  uint64_t ahead = 0;
  uint64_t kept = 0;  // free too, and kept populated by who freed them
};

// Exact while nothing is under way in the arena; meanwhile, each is off by what is.
PageCounts CountPages(const Control& control);

}  // namespace uarena

#endif  // UARENA_PAGES_COUNTERS_H_
