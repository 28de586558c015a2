// SPDX-License-Identifier: Apache-2.0
#include "pages/check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "pages/counters.h"
#include "pages/free_ranges.h"
#include "pages/operation.h"
#include "pages/steps.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

absl::Status Broken(const std::string& what) { return absl::DataLossError(what); }

absl::Status CheckOccupied(const Control& control, uint64_t first, uint64_t end,
                           PageCounts* totals) {
  for (uint64_t page = first; page < end; ++page) {
    const uint16_t state = control.state(page).load(std::memory_order_acquire);
    switch (StateKind(state)) {
      case PageKind::kAllocated:
        ++totals->allocated;
        break;
      case PageKind::kReserved:
        ++totals->reserved;
        break;
      case PageKind::kAhead:
        ++totals->ahead;
        break;
      case PageKind::kKept:
        ++totals->kept;
        break;
      default:
        return Broken(absl::StrCat("page ", page, " is in no free range and its state is ",
                                   state & 15, " of operation ", StateOperation(state)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckInvariants(const Control& control, uint32_t process_slot) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return absl::ResourceExhaustedError("no operation record is free");
  const uint32_t high =
      std::min(control.header().operation_high.load(std::memory_order_acquire), kMaxOperations);
  for (uint32_t i = 1; i < high; ++i) {
    const Intent intent = LoadIntent(control, i);
    if (intent.kind != IntentKind::kNone) {
      return Broken(absl::StrCat("operation ", i, " of process slot ",
                                 control.operation(i).owner.load() - 1, " is half done: intent ",
                                 static_cast<uint32_t>(intent.kind), ", pages ", intent.first, "+",
                                 intent.count));
    }
  }
  Transaction transaction(control, operation.index());
  transaction.Begin();
  FreeRanges ranges(transaction);
  PageCounts totals;
  uint64_t at = 0;
  while (at < control.max_pages()) {
    const std::optional<FreeRange> range = ranges.NextFrom(at);
    const bool listed = !range.has_value() || ranges.IsListed(*range);
    if (transaction.inconsistent()) {
      return Broken(absl::StrCat("the index of free ranges is damaged near page ", at));
    }
    const uint64_t occupied_end = range.has_value() ? range->first : control.max_pages();
    UARENA_RETURN_IF_ERROR(CheckOccupied(control, at, occupied_end, &totals));
    if (!range.has_value()) break;
    if (at != 0 && range->first == at) {
      return Broken(absl::StrCat("two free ranges touch at page ", at));
    }
    if (!listed) {
      return Broken(absl::StrCat("free range ", range->first, "+", range->count,
                                 " is not in the index of sizes"));
    }
    for (uint64_t page = range->first; page < std::min(range->end(), range->first + 65'536);
         ++page) {
      const PageKind kind = StateKind(control.state(page).load(std::memory_order_acquire));
      if (IsSettled(kind)) {
        return Broken(absl::StrCat("page ", page, " is in a free range and in state ",
                                   static_cast<int>(kind)));
      }
    }
    totals.free += range->count;
    at = range->end();
  }
  const PageCounts counted = CountPages(control);
  if (!transaction.Validate()) {
    return absl::FailedPreconditionError("the arena changed while it was being checked");
  }
  if (counted.free != totals.free || counted.allocated != totals.allocated ||
      counted.reserved != totals.reserved || counted.ahead != totals.ahead ||
      counted.kept != totals.kept) {
    return Broken(absl::StrCat(
        "counters free/allocated/reserved/ahead/kept say ", counted.free, "/", counted.allocated,
        "/", counted.reserved, "/", counted.ahead, "/", counted.kept, ", the pages ", totals.free,
        "/", totals.allocated, "/", totals.reserved, "/", totals.ahead, "/", totals.kept));
  }
  return absl::OkStatus();
}

}  // namespace uarena
