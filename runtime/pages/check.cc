// SPDX-License-Identifier: Apache-2.0
#include "pages/check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "pages/free_ranges.h"
#include "pages/operation.h"
#include "pages/steps.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

struct Totals {
  uint64_t free = 0;
  uint64_t allocated = 0;
  uint64_t reserved = 0;
  uint64_t ahead = 0;
};

absl::Status Broken(const std::string& what) { return absl::DataLossError(what); }

absl::Status CheckOccupied(const Control& control, uint64_t first, uint64_t end, Totals* totals) {
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
      default:
        return Broken(absl::StrCat("page ", page, " is in no free range and its state is ",
                                   state & 15, " of operation ", StateOperation(state)));
    }
  }
  return absl::OkStatus();
}

// The range must be in the list of its size, and that list's bit be set.
absl::Status CheckListed(Transaction& transaction, const PageRange& range) {
  const Control& control = transaction.control();
  const Layout& layout = control.layout();
  if (NextBit(transaction, layout.sizes, control.max_pages() + 1, range.count) != range.count) {
    return Broken(absl::StrCat("free range ", range.first, "+", range.count,
                               ": its size is not in the size index"));
  }
  const uint64_t base = layout.ranges + range.first * kRangeWords;
  const uint32_t previous = transaction.Read(base + kRangePrev);
  const uint32_t points_here =
      previous == 0 ? transaction.Read(layout.heads + range.count)
      : previous <= control.max_pages()
          ? transaction.Read(layout.ranges + uint64_t{previous - 1} * kRangeWords + kRangeNext)
          : 0;
  if (points_here != range.first + 1) {
    return Broken(absl::StrCat("free range ", range.first, "+", range.count,
                               ": the list of its size does not hold it"));
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
  Totals totals;
  uint64_t at = 0;
  while (at < control.max_pages()) {
    const std::optional<PageRange> range = ranges.NextFrom(at);
    if (transaction.inconsistent()) {
      return Broken(absl::StrCat("the index of free ranges is damaged near page ", at));
    }
    const uint64_t occupied_end = range.has_value() ? range->first : control.max_pages();
    UARENA_RETURN_IF_ERROR(CheckOccupied(control, at, occupied_end, &totals));
    if (!range.has_value()) break;
    if (at != 0 && range->first == at) {
      return Broken(absl::StrCat("two free ranges touch at page ", at));
    }
    UARENA_RETURN_IF_ERROR(CheckListed(transaction, *range));
    for (uint64_t page = range->first; page < std::min(range->end(), range->first + 65'536);
         ++page) {
      const PageKind kind = StateKind(control.state(page).load(std::memory_order_acquire));
      if (kind == PageKind::kAllocated || kind == PageKind::kReserved || kind == PageKind::kAhead) {
        return Broken(absl::StrCat("page ", page, " is in a free range and in state ",
                                   static_cast<int>(kind)));
      }
    }
    totals.free += range->count;
    at = range->end();
  }
  const Totals counted{transaction.Read(kWordFree), transaction.Read(kWordAllocated),
                       transaction.Read(kWordReserved), transaction.Read(kWordAhead)};
  if (!transaction.Validate()) {
    return absl::FailedPreconditionError("the arena changed while it was being checked");
  }
  if (counted.free != totals.free || counted.allocated != totals.allocated ||
      counted.reserved != totals.reserved || counted.ahead != totals.ahead) {
    return Broken(absl::StrCat("counters free/allocated/reserved/ahead say ", counted.free, "/",
                               counted.allocated, "/", counted.reserved, "/", counted.ahead,
                               ", the pages ", totals.free, "/", totals.allocated, "/",
                               totals.reserved, "/", totals.ahead));
  }
  return absl::OkStatus();
}

}  // namespace uarena
