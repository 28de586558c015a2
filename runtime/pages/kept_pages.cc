// SPDX-License-Identifier: Apache-2.0
#include "pages/kept_pages.h"

#include <algorithm>
#include <cstring>

#include "os/failpoint.h"
#include "pages/operation.h"
#include "pages/page_content.h"

namespace uarena {
namespace {

constexpr uint64_t kMostRefill = 64;
constexpr uint64_t kStatesInLine = 64 / sizeof(PageState);
constexpr uint64_t kLeastPagesToAlign = 4096;

uint64_t PackHint(uint64_t first, uint64_t count) { return count << 32 | first; }
PageRange HintRange(uint64_t hint) { return {hint & 0xffff'ffff, hint >> 32}; }

// The range of a hint that may have been damaged; empty if it makes no sense.
PageRange CheckedRange(const Control& control, uint64_t hint) {
  const PageRange range = HintRange(hint);
  const uint64_t max_pages = control.max_pages();
  if (range.first >= max_pages || range.count > max_pages - range.first) return {};
  return range;
}

uint32_t HomeShard(uint32_t shards) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__builtin_thread_pointer()) >> 12) %
         shards;
}

bool Swap(PageState& state, uint16_t expected, uint16_t wanted) {
  return state.compare_exchange_strong(expected, wanted, std::memory_order_acq_rel);
}

// Moves pages of kind `from` into the operation's hands, as `to`; a page of another kind ends it.
// Returns how many were moved.
uint64_t Seize(const Control& control, uint32_t operation, uint64_t first, uint64_t count,
               PageKind from, PageKind to) {
  for (uint64_t i = 0; i < count; ++i) {
    PageState& state = control.state(first + i);
    const uint16_t seen = state.load(std::memory_order_acquire);
    if (StateKind(seen) != from || !Swap(state, seen, PackState(to, operation))) return i;
  }
  return count;
}

// Turns what the operation holds as `from` into `to`.
void Settle(const Control& control, uint32_t operation, uint64_t first, uint64_t count,
            PageKind from, PageKind to) {
  for (uint64_t page = first; page < first + count; ++page) {
    Swap(control.state(page), PackState(from, operation), PackState(to, operation));
  }
}

uint32_t KeptDelta(const Control& control, uint32_t operation) {
  return control.operation(operation).kept_delta.load(std::memory_order_relaxed);
}

void SetKeptDelta(const Control& control, uint32_t operation, uint64_t delta) {
  control.operation(operation).kept_delta.store(static_cast<uint32_t>(delta),
                                                std::memory_order_release);
}

}  // namespace

uint64_t RefillPages(uint64_t first, uint64_t count, uint32_t misses, uint64_t max_pages) {
  if (count > kMostRefill) return 0;
  const uint64_t allocations = misses == 0 ? 0 : uint64_t{1} << std::min(misses - 1, 16u);
  const uint64_t more = count * std::min(allocations, kMostRefill / count);
  if (max_pages < kLeastPagesToAlign) return more;
  const uint64_t end = first + count + more;
  return more + (kStatesInLine - end % kStatesInLine) % kStatesInLine;
}

// Taken if nobody has it: waiting could deadlock with the thread that a signal handler interrupted.
class KeptPages::Claimed {
 public:
  explicit Claimed(Shard& shard)
      : shard_(shard), mine_(!shard.busy.exchange(true, std::memory_order_acquire)) {}
  ~Claimed() {
    if (mine_) shard_.busy.store(false, std::memory_order_release);
  }
  Claimed(const Claimed&) = delete;
  Claimed& operator=(const Claimed&) = delete;
  explicit operator bool() const { return mine_; }

 private:
  Shard& shard_;
  const bool mine_;
};

void KeptPages::Start(const PageContext& context, uint32_t process_slot, uint64_t limit) {
  context_ = context;
  slot_ = process_slot;
  limit_ = limit;
  pages_.store(0, std::memory_order_relaxed);
  for (Shard& shard : shards_) {
    shard.busy.store(false, std::memory_order_relaxed);
    shard.misses.store(0, std::memory_order_relaxed);
  }
}

std::atomic<uint64_t>& KeptPages::Hint(uint32_t shard, uint32_t i) const {
  return context_.control->process(slot_).kept[shard * kRanges + i];
}

bool KeptPages::Take(uint64_t count, uint64_t* first) {
  if (pages_.load(std::memory_order_relaxed) < static_cast<int64_t>(count)) return false;
  const Operation operation(*context_.control, slot_);
  if (operation.index() == 0 || !TakeHeld(operation.index(), count, first)) return false;
  StoreIntentKind(*context_.control, operation.index(), IntentKind::kNone, 0);
  return true;
}

bool KeptPages::TakeHeld(uint32_t operation, uint64_t count, uint64_t* first) {
  if (pages_.load(std::memory_order_relaxed) < static_cast<int64_t>(count)) return false;
  const uint32_t home = HomeShard(kShards);
  for (uint32_t i = 0; i < kShards; ++i) {
    const uint32_t shard = (home + i) % kShards;
    const Claimed claimed(shards_[shard]);
    if (claimed && TakeFrom(operation, shard, count, first)) {
      shards_[home].misses.store(0, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

bool KeptPages::TakeFrom(uint32_t operation, uint32_t shard, uint64_t count, uint64_t* first) {
  const Control& control = *context_.control;
  while (true) {
    // Best fit, so that short ranges do not crumble long ones.
    uint32_t best = kRanges;
    PageRange range;
    for (uint32_t i = 0; i < kRanges; ++i) {
      const PageRange at = CheckedRange(control, Hint(shard, i).load(std::memory_order_relaxed));
      if (at.count < count || (best != kRanges && at.count >= range.count)) continue;
      best = i;
      range = at;
    }
    if (best == kRanges) return false;
    *first = range.first;
    const uint32_t delta = KeptDelta(control, operation);
    StoreIntent(control, operation, {IntentKind::kTakeKept, 0, *first, count, *first, delta});
    Hint(shard, best)
        .store(range.count == count ? 0 : PackHint(*first + count, range.count - count),
               std::memory_order_release);
    pages_.fetch_sub(static_cast<int64_t>(count), std::memory_order_relaxed);
    UARENA_FAILPOINT("take.noted");
    const uint64_t seized =
        Seize(control, operation, *first, count, PageKind::kKept, PageKind::kClaimed);
    UARENA_FAILPOINT("take.claimed");
    bool zero = seized == count;
    for (uint64_t i = 0; zero && i < count; ++i) {
      zero = !MappedPageHoldsData(control.description().geometry, *first + i);
    }
    if (!zero) {
      // Somebody else has allocated or touched one of them.
      Settle(control, operation, *first, seized, PageKind::kClaimed, PageKind::kKept);
      ReleaseKept(context_, operation, *first, count);
      continue;
    }
    SetKeptDelta(control, operation, uint64_t{delta} - count);
    StoreIntentKind(control, operation, IntentKind::kTakeKept, 1);
    UARENA_FAILPOINT("take.counted");
    FillStates(control, operation, *first, count, PageKind::kAllocated);
    UARENA_FAILPOINT("take.filled");
    return true;
  }
}

bool KeptPages::PlaceFor(uint32_t shard, uint64_t first, uint64_t count, uint32_t* index,
                         PageRange* joined) const {
  *index = kRanges;
  *joined = {first, count};
  for (uint32_t i = 0; i < kRanges; ++i) {
    const PageRange at =
        CheckedRange(*context_.control, Hint(shard, i).load(std::memory_order_relaxed));
    if (at.count == 0) {
      if (*index == kRanges) *index = i;
    } else if (at.end() == first || first + count == at.first) {
      *index = i;
      *joined = {std::min(first, at.first), at.count + count};
      return true;
    }
  }
  return *index != kRanges;
}

bool KeptPages::Keep(uint64_t first, uint64_t count) {
  if (pages_.load(std::memory_order_relaxed) + count > limit_) return false;
  const Operation operation(*context_.control, slot_);
  return operation.index() != 0 &&
         KeepIn(operation.index(), HomeShard(kShards), first, count, IntentKind::kNone);
}

bool KeptPages::KeepRun(uint32_t operation, uint64_t first, uint64_t count) {
  if (pages_.load(std::memory_order_relaxed) + count > limit_) return false;
  return KeepIn(operation, HomeShard(kShards), first, count, IntentKind::kFreeRun);
}

// `otherwise` is the kind of the intent if it cannot be done.
bool KeptPages::KeepIn(uint32_t operation, uint32_t shard, uint64_t first, uint64_t count,
                       IntentKind otherwise) {
  const Control& control = *context_.control;
  const Claimed claimed(shards_[shard]);
  uint32_t index = 0;
  PageRange joined;
  if (!claimed || !PlaceFor(shard, first, count, &index, &joined)) return false;
  const uint32_t delta = KeptDelta(control, operation);
  StoreIntent(control, operation, {IntentKind::kKeep, 0, first, count, first, delta});
  const uint64_t seized =
      Seize(control, operation, first, count, PageKind::kAllocated, PageKind::kDrainingAllocated);
  UARENA_FAILPOINT("keep.draining");
  if (seized != count) {
    Settle(control, operation, first, seized, PageKind::kDrainingAllocated, PageKind::kAllocated);
    StoreIntentKind(control, operation, otherwise, 0);
    return false;
  }
  const Geometry& geometry = control.description().geometry;
  memset(reinterpret_cast<void*>(geometry.AddressOf(first)), 0, count << geometry.page_shift);
  UARENA_FAILPOINT("keep.zeroed");
  SetKeptDelta(control, operation, uint64_t{delta} + count);
  StoreIntentKind(control, operation, IntentKind::kKeep, 1);
  UARENA_FAILPOINT("keep.counted");
  Settle(control, operation, first, count, PageKind::kDrainingAllocated, PageKind::kKept);
  Hint(shard, index).store(PackHint(joined.first, joined.count), std::memory_order_release);
  pages_.fetch_add(static_cast<int64_t>(count), std::memory_order_relaxed);
  UARENA_FAILPOINT("keep.noted");
  StoreIntentKind(control, operation, IntentKind::kNone, 0);
  return true;
}

uint32_t KeptPages::CountMiss() {
  Shard& shard = shards_[HomeShard(kShards)];
  const uint32_t misses = shard.misses.load(std::memory_order_relaxed);
  shard.misses.store(std::min(misses + 1, 64u), std::memory_order_relaxed);
  return misses;
}

uint64_t KeptPages::Refill(uint64_t first, uint64_t count, uint32_t misses) const {
  const auto kept =
      static_cast<uint64_t>(std::max<int64_t>(pages_.load(std::memory_order_relaxed), 0));
  return std::min(RefillPages(first, count, misses, context_.control->max_pages()),
                  limit_ > kept ? limit_ - kept : 0);
}

void KeptPages::Add(uint64_t first, uint64_t count) {
  const uint32_t shard = HomeShard(kShards);
  const Claimed claimed(shards_[shard]);
  uint32_t index = 0;
  PageRange joined;
  if (claimed && PlaceFor(shard, first, count, &index, &joined)) {
    Hint(shard, index).store(PackHint(joined.first, joined.count), std::memory_order_release);
    pages_.fetch_add(static_cast<int64_t>(count), std::memory_order_relaxed);
    return;
  }
  const Operation operation(*context_.control, slot_);
  if (operation.index() != 0) ReleaseKept(context_, operation.index(), first, count);
}

void KeptPages::ReleaseAll() {
  if (limit_ == 0) return;
  const Operation operation(*context_.control, slot_);
  // Without a record they are released as a dead process's are, by whoever finds them.
  if (operation.index() != 0) ReleaseKeptOf(context_, operation.index(), slot_);
  pages_.store(0, std::memory_order_relaxed);
}

void ReleaseKeptOf(const PageContext& context, uint32_t operation, uint32_t process_slot) {
  const Control& control = *context.control;
  for (std::atomic<uint64_t>& hint : control.process(process_slot).kept) {
    const PageRange range = CheckedRange(control, hint.load(std::memory_order_acquire));
    if (range.count != 0) ReleaseKept(context, operation, range.first, range.count);
    hint.store(0, std::memory_order_release);
  }
}

void RecoverKeep(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  if (intent.phase == 0) {
    // Not all zeroed: free them as if they were not to be kept; also those not seized yet that
    // carry the operation's number, as all of a run do.
    SetKeptDelta(control, operation, intent.wanted);
    StoreIntentKind(control, operation, IntentKind::kFreeRun, 0);
    FreeRun(context, operation);
    return;
  }
  Settle(control, operation, intent.first, intent.count, PageKind::kDrainingAllocated,
         PageKind::kKept);
  ReleaseKept(context, operation, intent.first, intent.count);
}

void RecoverTakeKept(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  const Intent intent = LoadIntent(control, operation);
  if (intent.phase == 0) {
    SetKeptDelta(control, operation, intent.wanted);
    Settle(control, operation, intent.first, intent.count, PageKind::kClaimed, PageKind::kKept);
    ReleaseKept(context, operation, intent.first, intent.count);
    return;
  }
  // An allocation like any other, of pages that existed.
  StoreIntent(control, operation,
              {IntentKind::kAllocate, kPhaseMetExisting, intent.first, intent.count, intent.first,
               intent.count});
  UndoClaim(context, operation);
}

}  // namespace uarena
