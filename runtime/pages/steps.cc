// SPDX-License-Identifier: Apache-2.0
#include "pages/steps.h"

#include <algorithm>
#include <cerrno>

#include "os/failpoint.h"
#include "pages/operation.h"
#include "pages/page_content.h"

namespace uarena {
namespace {

// One insert covers at most so many pages: recovery untags as many, not knowing how far that got.
constexpr uint64_t kInsertPages = 65'536;

bool Swap(PageState& state, uint16_t expected, uint16_t wanted) {
  return state.compare_exchange_strong(expected, wanted, std::memory_order_acq_rel);
}

// The end of the run of pages that `operation` drains and that starts at `first`; `first` if there
// is none.
uint64_t DrainingRunEnd(const Control& control, uint32_t operation, uint64_t first, uint64_t end) {
  uint64_t page = first;
  while (page < end) {
    const uint16_t state = control.state(page).load(std::memory_order_acquire);
    if (!IsDraining(StateKind(state)) || StateOperation(state) != operation) break;
    ++page;
  }
  return page;
}

// Calls visit(first, end) for every run of pages in the range that `operation` drains.
template <typename Visit>
void ForDrainingRuns(const Control& control, uint32_t operation, uint64_t first, uint64_t end,
                     Visit visit) {
  PageRange occupied;
  while (NextOccupied(control, operation, first, end, &occupied)) {
    uint64_t page = occupied.first;
    while (page < occupied.end()) {
      const uint64_t run_end =
          DrainingRunEnd(control, operation, page, std::min(occupied.end(), page + kInsertPages));
      if (run_end == page) {
        ++page;
      } else {
        visit(page, run_end);
        page = run_end;
      }
    }
    first = occupied.end();
  }
}

// The states of free pages mean nothing; but a tag must not outlive the operation, whose number
// will be used again. By compare-and-swap, since the pages may have been claimed in the meantime.
void Untag(const Control& control, uint32_t operation, uint64_t first, uint64_t end) {
  for (uint64_t page = first; page < end; ++page) {
    PageState& state = control.state(page);
    const uint16_t seen = state.load(std::memory_order_relaxed);
    if (IsDraining(StateKind(seen)) && StateOperation(seen) == operation) {
      Swap(state, seen, PackState(PageKind::kFree));
    }
  }
}

// Inserts a run of pages that the operation drains into the free ranges.
void InsertRun(const Control& control, uint32_t operation, uint64_t first, uint64_t end) {
  // Counted once: while the operation drains them nobody else changes their states.
  int64_t counts[4] = {};
  for (uint64_t page = first; page < end; ++page) {
    const PageKind kind = StateKind(control.state(page).load(std::memory_order_relaxed));
    ++counts[static_cast<int>(DrainedFrom(kind)) - static_cast<int>(PageKind::kAllocated)];
  }
  const int result = RunTransaction(control, operation, [&](Transaction& transaction) {
    FreeRanges(transaction).Give(first, end - first);
    transaction.Add(kWordFree, static_cast<int64_t>(end - first));
    transaction.Add(kWordReserved, -counts[1]);
    transaction.Add(kWordAhead, -counts[2]);
    transaction.Add(kWordKept, -counts[3]);
    transaction.Write(control.IntentIndex(operation, kIntentCursor), static_cast<uint32_t>(end));
    return 0;
  });
  if (result != 0) return;  // the memory is damaged
  UARENA_FAILPOINT("free.inserted");
  Untag(control, operation, first, end);
}

}  // namespace

int ClaimInTransaction(Transaction& transaction, const FreeRange& from, const Claim& claim) {
  const Control& control = transaction.control();
  const uint32_t operation = transaction.operation();
  FreeRanges(transaction).Take(from, claim.first, claim.count());
  transaction.Add(kWordFree, -static_cast<int64_t>(claim.count()));
  if (claim.kind == IntentKind::kReserve) {
    transaction.Add(kWordReserved, static_cast<int64_t>(claim.count()));
  }
  if (claim.extra != 0) {
    transaction.Add(claim.kind == IntentKind::kAllocate ? kWordKept : kWordAhead,
                    static_cast<int64_t>(claim.extra));
  }
  auto write = [&](IntentWord word, uint64_t value) {
    transaction.Write(control.IntentIndex(operation, word), static_cast<uint32_t>(value));
  };
  write(kIntentFirst, claim.first);
  write(kIntentCount, claim.count());
  write(kIntentCursor, claim.first);
  write(kIntentWanted, claim.wanted);
  write(kIntentKind, PackIntent(claim.kind, 0));
  return 0;
}

int CheckQuota(Transaction& transaction, uint64_t more, uint64_t* room) {
  const uint64_t quota = transaction.control().description().quota_pages;
  const uint64_t max_pages = transaction.control().max_pages();
  if (quota == 0) {
    if (room != nullptr) *room = max_pages;
    return 0;
  }
  const uint64_t used =
      max_pages - uint64_t{transaction.Read(kWordFree)} - transaction.Read(kWordReserved);
  const uint64_t left = quota > used && used <= max_pages ? quota - used : 0;
  if (room != nullptr) *room = left;
  return more > left ? -EDQUOT : 0;
}

void TagClaim(const Control& control, uint32_t operation, IntentKind kind, uint64_t first,
              uint64_t count) {
  UARENA_FAILPOINT("claim.untagged");
  const uint16_t tag = PackState(PageKind::kClaimed, operation);
  for (uint64_t page = first; page < first + count; ++page) {
    // Whoever kept the page last wrote its zeros before its state, and perhaps nothing that the
    // transaction has read.
    control.state(page).load(std::memory_order_acquire);
    control.state(page).store(tag, std::memory_order_relaxed);
  }
  StoreIntentKind(control, operation, kind, 1);
  UARENA_FAILPOINT("claim.tagged");
}

void FillStates(const Control& control, uint32_t operation, uint64_t first, uint64_t count,
                PageKind kind) {
  const uint16_t state = PackState(kind, operation);
  for (uint64_t page = first; page < first + count; ++page) {
    control.state(page).store(state, std::memory_order_release);
  }
}

void UndoClaim(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  const bool reserve = intent.kind == IntentKind::kReserve;
  if (intent.phase == 0) TagClaim(control, operation, intent.kind, intent.first, intent.count);
  // Reserving touches no memory: what is there was put there by a toucher, and freeing the page
  // without punching it keeps that (a free page with data is a touched page).
  const bool punch = !reserve && intent.phase != kPhaseMetExisting;
  for (uint64_t page = intent.first; page < intent.first + intent.count; ++page) {
    const PageKind kind = reserve                               ? PageKind::kReserved
                          : page - intent.first < intent.wanted ? PageKind::kAllocated
                                                                : PageKind::kKept;
    PageState& state = control.state(page);
    const uint16_t seen = state.load(std::memory_order_acquire);
    // Only states that carry our number: a page that was filled, freed by somebody and allocated
    // again by somebody else carries another.
    if (seen != PackState(PageKind::kClaimed, operation) && seen != PackState(kind, operation)) {
      continue;
    }
    // Left as what it is counted as. (A page that is kept and holds data counts as touched.)
    const bool touched =
        !reserve && PageHoldsData(context.data_fd, control.description().geometry, page);
    Swap(state, seen, PackState(touched ? kind : DrainingOf(kind), operation));
  }
  UARENA_FAILPOINT("undo.draining");
  if (!punch) control.header().free_pages_hold_memory.store(1);
  StoreIntentKind(control, operation, IntentKind::kFree, punch ? 0 : 1);
  FinishFree(context, operation);
}

void FinishTouch(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  if (intent.phase == 0) TagClaim(control, operation, intent.kind, intent.first, intent.count);
  for (uint64_t page = intent.first; page < intent.first + intent.count; ++page) {
    const bool touched = page - intent.first < intent.wanted;
    Swap(control.state(page), PackState(PageKind::kClaimed, operation),
         PackState(touched ? PageKind::kAllocated : PageKind::kAhead, operation));
  }
  StoreIntentKind(control, operation, IntentKind::kNone, 0);
}

int FinishFree(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  const uint64_t end = intent.first + intent.count;
  int error = 0;
  if (intent.phase == 0) {
    ForDrainingRuns(control, operation, intent.first, end, [&](uint64_t first, uint64_t run_end) {
      UARENA_FAILPOINT("free.draining");
      const int result = context.mapper.Zap(first, run_end - first);
      if (result == 0) return;
      error = result;
      for (uint64_t page = first; page < run_end; ++page) {
        PageState& state = control.state(page);
        const PageKind kind = StateKind(state.load(std::memory_order_acquire));
        state.store(PackState(DrainedFrom(kind), operation), std::memory_order_release);
      }
    });
    StoreIntentKind(control, operation, IntentKind::kFree, 1);
    UARENA_FAILPOINT("free.punched");
  }
  const uint64_t cursor = std::clamp(intent.cursor, intent.first, end);
  // Whoever stopped here may have inserted a run without taking its tags off.
  Untag(control, operation, std::max(intent.first, cursor - std::min(cursor, kInsertPages)),
        cursor);
  ForDrainingRuns(control, operation, cursor, end, [&](uint64_t first, uint64_t run_end) {
    InsertRun(control, operation, first, run_end);
  });
  StoreIntentKind(control, operation, IntentKind::kNone, 0);
  return error;
}

void TagRun(const Control& control, uint32_t operation, uint64_t first, uint64_t count) {
  FillStates(control, operation, first, count, PageKind::kAllocated);
}

int FreeRun(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  for (uint64_t page = intent.first; page < intent.first + intent.count; ++page) {
    Swap(control.state(page), PackState(PageKind::kAllocated, operation),
         PackState(PageKind::kDrainingAllocated, operation));
  }
  StoreIntentKind(control, operation, IntentKind::kFree, 0);
  return FinishFree(context, operation);
}

void ReleaseKept(const PageContext& context, uint32_t operation, uint64_t first, uint64_t count) {
  const Control& control = *context.control;
  control.header().free_pages_hold_memory.store(1);
  // Phase 1: nothing to punch. The rest of an intent that this one replaces is kept until its kind
  // is replaced as well.
  const uint64_t wanted = LoadIntent(control, operation).wanted;
  StoreIntent(control, operation, {IntentKind::kFree, 1, first, count, first, wanted});
  for (uint64_t page = first; page < first + count; ++page) {
    const uint16_t seen = control.state(page).load(std::memory_order_acquire);
    if (StateKind(seen) != PageKind::kKept) continue;
    Swap(control.state(page), seen, PackState(PageKind::kDrainingKept, operation));
  }
  FinishFree(context, operation);
}

int Convert(const PageContext& context, uint32_t operation, uint64_t page, uint16_t seen,
            Evidence evidence) {
  const Control& control = *context.control;
  UARENA_FAILPOINT("convert.seen");
  StoreIntent(control, operation,
              {IntentKind::kConvert, 0, page, 1, seen, static_cast<uint64_t>(evidence)});
  if (!Swap(control.state(page), seen, PackState(PageKind::kClaimed, operation))) {
    StoreIntentKind(control, operation, IntentKind::kNone, 0);
    return -EAGAIN;
  }
  UARENA_FAILPOINT("convert.swapped");
  return FinishConvert(context, operation);
}

int FinishConvert(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  const uint64_t page = intent.first;
  const auto seen = static_cast<uint16_t>(intent.cursor);
  const uint16_t tag = PackState(PageKind::kClaimed, operation);
  int result = -EAGAIN;
  // With the tag on it the page is ours alone.
  if (intent.count == 1 && control.state(page).load(std::memory_order_acquire) == tag) {
    result = 0;
    // What it held before the tag was on it may have been another owner's, who has freed it since:
    // the same process keeps a page under the same number again and again.
    if (intent.phase == 0 && static_cast<Evidence>(intent.wanted) == Evidence::kData &&
        !PageHoldsData(context.data_fd, control.description().geometry, page)) {
      result = -EAGAIN;
    } else if (intent.phase == 0) {
      result = RunTransaction(control, operation, [&](Transaction& transaction) {
        const PageKind kind = StateKind(seen);
        // The others count towards the quota already.
        if (kind == PageKind::kReserved && CheckQuota(transaction, 1) != 0) return -EDQUOT;
        transaction.Add(kind == PageKind::kReserved ? kWordReserved
                        : kind == PageKind::kAhead  ? kWordAhead
                                                    : kWordKept,
                        -1);
        transaction.Write(control.IntentIndex(operation, kIntentKind),
                          PackIntent(IntentKind::kConvert, 1));
        return 0;
      });
    }
    control.state(page).store(result == 0 ? PackState(PageKind::kAllocated, operation) : seen,
                              std::memory_order_release);
  }
  StoreIntentKind(control, operation, IntentKind::kNone, 0);
  return result;
}

bool NextOccupied(const Control& control, uint32_t operation, uint64_t from, uint64_t end,
                  PageRange* run) {
  const int result = RunTransaction(control, operation, [&](Transaction& transaction) {
    FreeRanges ranges(transaction);
    uint64_t first = from;
    while (first < end) {
      const std::optional<FreeRange> range = ranges.Containing(first);
      if (!range.has_value()) break;
      first = range->end();
    }
    if (first >= end) return -ENOENT;
    const std::optional<FreeRange> next = ranges.NextFrom(first);
    *run = {first, (next.has_value() ? std::min(next->first, end) : end) - first};
    return -EALREADY;  // found; nothing to commit
  });
  return result == -EALREADY;
}

bool NextFree(const Control& control, uint32_t operation, uint64_t from, uint64_t end,
              PageRange* run) {
  if (from >= end) return false;
  const int result = RunTransaction(control, operation, [&](Transaction& transaction) {
    FreeRanges ranges(transaction);
    std::optional<FreeRange> range = ranges.Containing(from);
    if (!range.has_value()) range = ranges.NextFrom(from);
    if (!range.has_value() || range->first >= end) return -ENOENT;
    const uint64_t first = std::max(range->first, from);
    *run = {first, std::min(range->end(), end) - first};
    return -EALREADY;  // found; nothing to commit
  });
  return result == -EALREADY;
}

}  // namespace uarena
