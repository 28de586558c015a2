// SPDX-License-Identifier: Apache-2.0
//
// Pages that a process has freed and keeps, populated, mapped and zeroed, to hand them out again
// without a transaction, a system call or a fault; and pages that an allocation populated beyond
// what it was asked for, to the same end. To all others such a page is free: it is KEPT, which an
// allocation by address, a touch, or a shortage undoes.
//
// Invariant: a KEPT page is resident, and holds zeros until somebody touches it. So a page is read
// before it is handed out; one that holds data has been allocated, by a touch, and stays that.
//
// Example: FreePages(p, 16) zeroes 16 pages, makes them KEPT and notes [p, 16). AllocPages(1) takes
// p by compare-and-swap on its state, and leaves [p + 1, 15). Meanwhile another process may have
// allocated p + 1 by address; then its state is not KEPT, and the range is given up.
#ifndef UARENA_PAGES_KEPT_PAGES_H_
#define UARENA_PAGES_KEPT_PAGES_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "pages/control.h"
#include "pages/steps.h"

namespace uarena {

// How many pages beyond [first, first + count) an allocation populates after `misses` allocations
// in a row that the kept pages could not serve: enough for 0, 1, 2, 4, … more such allocations, but
// at most 64 pages; and, in all but small arenas, to the end of the cache line of page states, so
// that processes which allocate at the same time write to different lines. Pure.
uint64_t RefillPages(uint64_t first, uint64_t count, uint32_t misses, uint64_t max_pages);

// What one process keeps of one arena. Thread-safe and async-signal-safe: whoever finds a shard
// busy does without.
class KeptPages {
 public:
  KeptPages() = default;
  // Keeps at most `limit` pages.
  void Start(const PageContext& context, uint32_t process_slot, uint64_t limit);

  // Takes `count` adjoining pages, zero and mapped. False: not from here.
  bool Take(uint64_t count, uint64_t* first);
  // The same with the caller's operation, whose intent stays: until it is cleared, the caller's
  // death undoes the taking.
  bool TakeHeld(uint32_t operation, uint64_t count, uint64_t* first);

  // Frees pages, all of which must be allocated, by keeping them. False: nothing has changed; free
  // them otherwise.
  bool Keep(uint64_t first, uint64_t count);
  // The same with the caller's operation, whose intent is kFreeRun of these pages, and still is if
  // the answer is false.
  bool KeepRun(uint32_t operation, uint64_t first, uint64_t count);

  // For an allocation that Take did not serve: counts it and returns how many came before it in a
  // row; and how many pages it should add to [first, first + count).
  uint32_t CountMiss();
  uint64_t Refill(uint64_t first, uint64_t count, uint32_t misses) const;
  // Notes pages that such an allocation has made KEPT. They are released if there is no room.
  void Add(uint64_t first, uint64_t count);

  // Gives everything up; the pages become free.
  void ReleaseAll();
  // In a forked child: what is kept is the parent's.
  void Forget() { limit_ = 0; }

 private:
  static constexpr uint32_t kShards = 4;
  static constexpr uint32_t kRanges = kMaxKeptRanges / kShards;
  struct alignas(64) Shard {
    std::atomic<bool> busy{false};
    std::atomic<uint32_t> misses{0};
  };
  class Claimed;  // a shard, for the time of a call

  std::atomic<uint64_t>& Hint(uint32_t shard, uint32_t i) const;
  bool TakeFrom(uint32_t operation, uint32_t shard, uint64_t count, uint64_t* first);
  bool KeepIn(uint32_t operation, uint32_t shard, uint64_t first, uint64_t count,
              IntentKind otherwise);
  // The hint that a range can be noted in, by itself or joined to one; false: there is none.
  bool PlaceFor(uint32_t shard, uint64_t first, uint64_t count, uint32_t* index,
                PageRange* joined) const;

  PageContext context_;
  uint32_t slot_ = 0;
  uint64_t limit_ = 0;
  std::atomic<int64_t> pages_{0};  // in all hints
  std::array<Shard, kShards> shards_;
};

// Completes or undoes what a dead process's operation was doing with kept pages.
void RecoverKeep(const PageContext& context, uint32_t operation);
void RecoverTakeKept(const PageContext& context, uint32_t operation);

// Releases what a process noted that it keeps; for one that has ended, or ends.
void ReleaseKeptOf(const PageContext& context, uint32_t operation, uint32_t process_slot);

}  // namespace uarena

#endif  // UARENA_PAGES_KEPT_PAGES_H_
