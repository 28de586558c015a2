// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_FAULT_PLAN_H_
#define UARENA_FAULT_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "pages/free_ranges.h"

namespace uarena {

// Turns the pages of a batch of fault messages into disjoint ranges in ascending order: sorts,
// removes duplicates (eight threads on one page send eight messages), coalesces neighbours. Pure
// but for its arguments: sorts `pages` in place, writes the ranges to `ranges` (as many as there
// are pages at most) and returns how many. {7, 3, 4, 3} → {[3,5), [7,8)}.
size_t PlanRanges(std::span<uint64_t> pages, std::span<PageRange> ranges);

}  // namespace uarena

#endif  // UARENA_FAULT_PLAN_H_
