// SPDX-License-Identifier: Apache-2.0
#include "pages/allocator.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>

#include "os/failpoint.h"
#include "os/syscall.h"
#include "pages/counters.h"
#include "pages/operation.h"
#include "pages/page_content.h"
#include "pages/recovery.h"

namespace uarena {
namespace {

// How often a toucher gives way to the process that is just freeing the page. It waits no longer:
// that one may be stopped.
constexpr int kDrainingPatience = 64;
constexpr int kTouchTries = 256;

// Notes whether a page that was to be fresh holds data.
class TouchedPages final : public ExistingVisitor {
 public:
  TouchedPages(const PageContext& context, uint32_t operation)
      : context_(context), operation_(operation) {}
  void OnExisting(uint64_t first, uint64_t count) override {
    const Control& control = *context_.control;
    const Geometry& geometry = control.description().geometry;
    StoreIntentKind(control, operation_, IntentKind::kAllocate, kPhaseMetExisting);
    for (uint64_t page = first; page < first + count && !any(); ++page) {
      const bool holds_data = context_.attached ? MappedPageHoldsData(geometry, page)
                                                : PageHoldsData(context_.data_fd, geometry, page);
      if (holds_data) any_.store(true, std::memory_order_relaxed);
    }
  }
  bool any() const { return any_.load(std::memory_order_relaxed); }

 private:
  const PageContext& context_;
  const uint32_t operation_;
  std::atomic<bool> any_{false};  // the mapper may call from two threads
};

}  // namespace

// Leaves the operation's intent, if it succeeds.
int Allocator::AllocateOnce(uint32_t operation, std::optional<uint64_t> at, uint64_t count,
                            int node, KeptPages* kept, uint64_t* first) {
  const Control& control = *context_.control;
  const uint32_t misses = kept != nullptr ? kept->CountMiss() : 0;
  Claim claim;
  const int claimed = RunTransaction(control, operation, [&](Transaction& transaction) {
    FreeRanges ranges(transaction);
    const std::optional<FreeRange> range =
        at.has_value() ? ranges.Containing(*at) : ranges.FindFit(count);
    if (!range.has_value()) return at.has_value() ? -EEXIST : -ENOSPC;
    claim = {IntentKind::kAllocate, at.value_or(range->first), count, 0};
    if (claim.first + count > range->end()) return -EEXIST;
    uint64_t room = 0;
    if (CheckQuota(transaction, count, &room) != 0) return -EDQUOT;
    if (kept != nullptr) {
      claim.extra = std::min({kept->Refill(claim.first, count, misses),
                              range->end() - claim.first - count, room - count});
    }
    return ClaimInTransaction(transaction, *range, claim);
  });
  if (claimed != 0) return claimed;
  *first = claim.first;
  TagClaim(control, operation, IntentKind::kAllocate, claim.first, claim.count());
  TouchedPages touched(context_, operation);
  const MapResult mapped = context_.mapper.Map(claim.first, claim.count(), &touched, node);
  UARENA_FAILPOINT("allocate.mapped");
  if (mapped.error != 0 || touched.any()) {
    UndoClaim(context_, operation);
    if (mapped.error == 0) return at.has_value() ? -EEXIST : -EAGAIN;
    return mapped.error;
  }
  FillStates(control, operation, claim.first, count, PageKind::kAllocated);
  if (claim.extra != 0) {
    FillStates(control, operation, claim.first + count, claim.extra, PageKind::kKept);
    kept->Add(claim.first + count, claim.extra);
  }
  UARENA_FAILPOINT("allocate.filled");
  return 0;
}

// Repeats an attempt that found no room after making some: first by recovering dead processes, then
// by taking back what faults populated ahead and nobody used.
template <typename Try>
int Allocator::WithRoom(std::optional<uint64_t> at, uint64_t count, Try attempt) {
  const Control& control = *context_.control;
  int last_resort = 0;
  while (true) {
    const int result = attempt();
    if (result == -EAGAIN) continue;  // met a touched page, which is out of the way now
    if (result != -EEXIST && result != -ENOSPC && result != -EDQUOT && result != -EUSERS) {
      return result;
    }
    switch (last_resort++) {
      case 0:
        if (const PageCounts counts = CountPages(control); counts.ahead + counts.kept != 0) {
          const bool here = at.has_value() && result != -EDQUOT;
          Settle(here ? *at : 0, here ? count : control.max_pages(), true);
          break;
        }
        [[fallthrough]];
      case 1:
        last_resort = 2;
        if (RecoverDeadProcesses(control, context_) != 0) break;
        [[fallthrough]];
      default:
        return result;
    }
  }
}

int Allocator::Allocate(std::optional<uint64_t> at, uint64_t count, int node, KeptPages* kept,
                        uint64_t* first) {
  return WithRoom(at, count, [&] {
    const Operation operation(*context_.control, slot_);
    if (operation.index() == 0) return -EUSERS;
    const int error = AllocateOnce(operation.index(), at, count, node, kept, first);
    if (error == 0) StoreIntentKind(*context_.control, operation.index(), IntentKind::kNone, 0);
    return error;
  });
}

int Allocator::AllocateHeld(uint32_t operation, uint64_t count, int node, KeptPages* kept,
                            uint64_t* first) {
  return WithRoom({}, count, [&] { return AllocateOnce(operation, {}, count, node, kept, first); });
}

int Allocator::ReserveOnce(uint64_t first, uint64_t count) {
  const Control& control = *context_.control;
  const Operation operation(control, slot_);
  if (operation.index() == 0) return -EUSERS;
  const int claimed = RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const std::optional<FreeRange> range = FreeRanges(transaction).Containing(first);
    if (!range.has_value() || first + count > range->end()) return -EEXIST;
    return ClaimInTransaction(transaction, *range, {IntentKind::kReserve, first, count, 0});
  });
  if (claimed != 0) return claimed;
  TagClaim(control, operation.index(), IntentKind::kReserve, first, count);
  FillStates(control, operation.index(), first, count, PageKind::kReserved);
  UARENA_FAILPOINT("reserve.filled");
  StoreIntentKind(control, operation.index(), IntentKind::kNone, 0);
  return 0;
}

int Allocator::Reserve(uint64_t first, uint64_t count) {
  if (const int error = AdoptTouched(first, count, false); error != 0) return error;
  return WithRoom(first, count, [&] { return ReserveOnce(first, count); });
}

int Allocator::FreeOnce(uint64_t first, uint64_t count) {
  const Control& control = *context_.control;
  // Those that hold nothing as well: to free is to give the memory back.
  if (const int error = AdoptTouched(first, count, true); error != 0) return error;
  const Operation operation(control, slot_);
  if (operation.index() == 0) return -EUSERS;
  const uint64_t end = first + count;
  bool claimed = false;
  StoreIntent(control, operation.index(), {IntentKind::kFree, 0, first, count, first});
  ForOccupiedPages(control, operation.index(), first, end, [&](uint64_t page, PageState& state) {
    uint16_t seen = state.load(std::memory_order_acquire);
    const PageKind kind = StateKind(seen);
    if (!IsSettled(kind)) return;  // somebody else's, on its way from or to the free ranges
    // A kept page is free already, unless it has been touched since.
    if (kind == PageKind::kKept &&
        !PageHoldsData(context_.data_fd, control.description().geometry, page)) {
      return;
    }
    claimed |= state.compare_exchange_strong(seen, PackState(DrainingOf(kind), operation.index()));
  });
  UARENA_FAILPOINT("free.claimed");
  if (claimed) return FinishFree(context_, operation.index());
  StoreIntentKind(control, operation.index(), IntentKind::kNone, 0);
  return -EALREADY;
}

int Allocator::Free(uint64_t first, uint64_t count) {
  const int result = FreeOnce(first, count);
  // What looks free to us may be held by a dead process.
  if (result != -EALREADY || RecoverDeadProcesses(*context_.control, context_) <= 0) return result;
  return FreeOnce(first, count);
}

int Allocator::AdoptTouched(uint64_t first, uint64_t count, bool zero_too) {
  const Control& control = *context_.control;
  if (control.header().touches_in_flight.load() == 0 &&
      control.header().free_pages_hold_memory.load() == 0) {
    return 0;
  }
  const Operation operation(control, slot_);
  if (operation.index() == 0) return -EUSERS;
  const uint64_t end = first + count;
  PageRange free_pages;
  while (NextFree(control, operation.index(), first, end, &free_pages)) {
    if (const int error = AdoptIn(operation.index(), free_pages, zero_too); error != 0) {
      return error;
    }
    first = free_pages.end();
  }
  return 0;
}

int Allocator::AdoptIn(uint32_t operation, const PageRange& free_pages, bool zero_too) {
  const Control& control = *context_.control;
  const Geometry& geometry = control.description().geometry;
  ResidentPagesWalk resident(context_.data_fd, geometry);
  for (uint64_t page = resident.NextFrom(free_pages.first); page < free_pages.end();
       page = resident.NextFrom(page + 1)) {
    // Of hugetlb's pages nobody says which are resident, so there only those that hold data are
    // adopted.
    if ((!zero_too || geometry.huge) && !PageHoldsData(context_.data_fd, geometry, page)) continue;
    const int claimed = RunTransaction(control, operation, [&](Transaction& transaction) {
      const std::optional<FreeRange> range = FreeRanges(transaction).Containing(page);
      if (!range.has_value()) return -ENOENT;
      return ClaimInTransaction(transaction, *range, {IntentKind::kTouch, page, 1, 0});
    });
    if (claimed == -EUCLEAN) return claimed;
    if (claimed != 0) continue;
    TagClaim(control, operation, IntentKind::kTouch, page, 1);
    FinishTouch(context_, operation);
  }
  return 0;
}

bool Allocator::NoteIfFree(uint64_t page) {
  const Control& control = *context_.control;
  const PageKind kind = StateKind(control.state(page).load(std::memory_order_acquire));
  if (IsSettled(kind)) return false;
  control.header().free_pages_hold_memory.store(1);
  return true;
}

int Allocator::TouchFree(uint32_t operation, uint64_t page, uint64_t touched, uint64_t window,
                         uint64_t* mapped) {
  const Control& control = *context_.control;
  uint64_t count = 0;
  const int claimed = RunTransaction(control, operation, [&](Transaction& transaction) {
    const std::optional<FreeRange> range = FreeRanges(transaction).Containing(page);
    if (!range.has_value()) return -ENODATA;
    uint64_t room = 0;
    count = std::min(window, range->end() - page);
    if (CheckQuota(transaction, std::min(touched, count), &room) != 0) return -EDQUOT;
    count = std::min(count, room);
    const uint64_t wanted = std::min(touched, count);
    return ClaimInTransaction(transaction, *range,
                              {IntentKind::kTouch, page, wanted, count - wanted});
  });
  if (claimed != 0) return claimed;
  TagClaim(control, operation, IntentKind::kTouch, page, count);
  // The states are final before the toucher can run on: it may free the page at once.
  FinishTouch(context_, operation);
  const MapResult result =
      context_.mapper.Map(page, count, nullptr, control.description().numa_node);
  UARENA_FAILPOINT("touch.mapped");
  *mapped = result.done;
  if (result.error == 0 || result.done >= touched) {
    bool again = false;
    for (uint64_t i = 0; i < result.done; ++i) again |= NoteIfFree(page + i) && i < touched;
    return again ? -EAGAIN : 0;
  }
  // Out of memory. Only states that carry our number: somebody may have freed a page meanwhile, and
  // somebody else have it now. What did get mapped is free, and zero.
  StoreIntent(control, operation, {IntentKind::kFree, 1, page, count, page});
  control.header().free_pages_hold_memory.store(1);
  for (uint64_t i = 0; i < count; ++i) {
    const PageKind kind = i < touched ? PageKind::kAllocated : PageKind::kAhead;
    uint16_t expected = PackState(kind, operation);
    control.state(page + i).compare_exchange_strong(expected,
                                                    PackState(DrainingOf(kind), operation));
  }
  FinishFree(context_, operation);
  return result.error;
}

int Allocator::Touch(uint64_t page, uint64_t touched, uint64_t window, uint64_t* mapped) {
  std::atomic<uint32_t>& in_flight = context_.control->header().touches_in_flight;
  in_flight.fetch_add(1);
  const int result = TouchCounted(page, touched, window, mapped);
  in_flight.fetch_sub(1);
  return result;
}

int Allocator::TouchCounted(uint64_t page, uint64_t touched, uint64_t window, uint64_t* mapped) {
  const Control& control = *context_.control;
  const bool segv = control.description().segv_on_fault;
  const Operation operation(control, slot_);
  if (operation.index() == 0) return -EUSERS;
  uint64_t count = 1;
  for (int tries = 0;; ++tries) {
    if (!segv) {
      const int result = TouchFree(operation.index(), page, touched, window, mapped);
      if (result == -EAGAIN) continue;
      if (result != -ENODATA) return result;
    }
    const uint16_t seen = control.state(page).load(std::memory_order_acquire);
    const PageKind kind = StateKind(seen);
    if (segv && kind != PageKind::kAllocated && kind != PageKind::kClaimed) return -EACCES;
    if (kind == PageKind::kReserved || kind == PageKind::kAhead || kind == PageKind::kKept) {
      if (Convert(context_, operation.index(), page, seen, Evidence::kTouch) == -EDQUOT) {
        return -EDQUOT;
      }
      // Reserved neighbours are populated ahead as free ones are, and stay reserved.
      const bool unlimited = control.description().quota_pages == 0;
      while (unlimited && kind == PageKind::kReserved && count < window &&
             page + count < control.max_pages() &&
             StateKind(control.state(page + count).load(std::memory_order_relaxed)) == kind) {
        ++count;
      }
      continue;
    }
    if (IsDraining(kind)) {
      if (tries < kDrainingPatience) {
        sched_yield();
        continue;
      }
      // Still its freer's, who may punch it after we have mapped it: then the touch came before the
      // free. Otherwise it becomes a free page that holds memory.
      control.header().free_pages_hold_memory.store(1);
    }
    // Allocated, or another operation's: not ours to account for, only to map.
    const MapResult result =
        context_.mapper.Map(page, count, nullptr, control.description().numa_node);
    *mapped = result.done;
    if (result.done == 0) return result.error;
    for (uint64_t i = 1; i < result.done; ++i) NoteIfFree(page + i);
    // If the page was freed in between, it has to be claimed after all.
    const uint16_t now = control.state(page).load(std::memory_order_acquire);
    if (now == seen || StateKind(now) == PageKind::kAllocated) return 0;
    if (tries < kTouchTries) continue;
    control.header().free_pages_hold_memory.store(1);
    return 0;
  }
}

bool Allocator::MapForOwnCall(uint64_t page, uint32_t slot) {
  const Control& control = *context_.control;
  const uint16_t state = control.state(page).load(std::memory_order_acquire);
  const bool held = StateKind(state) == PageKind::kClaimed || IsDraining(StateKind(state));
  if (!held || control.operation(StateOperation(state)).owner.load() != slot + 1) return false;
  return context_.mapper.Map(page, 1, nullptr, kNoNode).done == 1;
}

int Allocator::Populate(uint64_t first, uint64_t count) {
  const Control& control = *context_.control;
  const uint64_t end = first + count;
  for (uint64_t page = first; page < end;) {
    uint64_t run = page;
    while (run < end &&
           StateKind(control.state(run).load(std::memory_order_acquire)) == PageKind::kAllocated) {
      ++run;
    }
    if (run > page) {
      const MapResult result =
          context_.mapper.Map(page, run - page, nullptr, control.description().numa_node);
      if (result.error != 0) return result.error;
      page = run;
    } else {
      uint64_t mapped = 0;
      const int result = Touch(page, end - page, end - page, &mapped);
      if (result != 0) return result;
      page += std::max<uint64_t>(mapped, 1);
    }
  }
  return 0;
}

int Allocator::Settle(uint64_t first, uint64_t count, bool release) {
  const Control& control = *context_.control;
  const Geometry& geometry = control.description().geometry;
  const uint64_t end = first + count;
  if (const int error = AdoptTouched(first, count, false); error != 0) return error;
  const Operation operation(control, slot_);
  const Operation converting(control, slot_);
  if (operation.index() == 0 || converting.index() == 0) return -EUSERS;
  // Phase 1: nothing to punch. A page that is written to right now keeps what is written.
  StoreIntent(control, operation.index(), {IntentKind::kFree, 1, first, count, first});
  if (release) control.header().free_pages_hold_memory.store(1);
  ResidentPagesWalk resident(context_.data_fd, geometry);
  bool drained = false;
  ForOccupiedPages(control, operation.index(), first, end, [&](uint64_t page, PageState& state) {
    int converted = -EAGAIN;
    while (converted == -EAGAIN) {
      uint16_t seen = state.load(std::memory_order_acquire);
      const PageKind kind = StateKind(seen);
      if (!IsSettled(kind) || kind == PageKind::kAllocated) return;
      UARENA_FAILPOINT("settle.seen");
      if (resident.NextFrom(page) == page && PageHoldsData(context_.data_fd, geometry, page)) {
        converted = Convert(context_, converting.index(), page, seen, Evidence::kData);
        continue;
      }
      if (!release || kind == PageKind::kReserved) return;
      if (state.compare_exchange_strong(seen, PackState(DrainingOf(kind), operation.index()))) {
        drained = true;
        return;
      }
    }
  });
  if (drained) return FinishFree(context_, operation.index());
  StoreIntentKind(control, operation.index(), IntentKind::kNone, 0);
  return 0;
}

}  // namespace uarena
