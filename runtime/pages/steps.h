// SPDX-License-Identifier: Apache-2.0
//
// The steps that page operations are made of. The allocator takes them in order; recovery continues
// where a dead process stopped, under the same operation record, with the same steps. So every
// step can be repeated from its beginning.
//
// Invariant: between the transaction that writes an operation's intent and the store that clears
// it, the intent and the page states tagged with the operation say everything about what is half
// done.
//
// All return 0 or -errno and are async-signal-safe.
#ifndef UARENA_PAGES_STEPS_H_
#define UARENA_PAGES_STEPS_H_

#include <cstdint>

#include "memory/mapper.h"
#include "pages/control.h"
#include "pages/free_ranges.h"

namespace uarena {

struct PageContext;

// Returns what a dead process's threads had of the heap, which lies above this layer; `operation`
// is the process's. Repeatable.
using RecoverHeapFunction = void (*)(const PageContext& context, uint32_t operation,
                                     uint32_t process_slot);

// What the steps work on: one arena as one process sees it.
struct PageContext {
  const Control* control = nullptr;
  Mapper mapper;
  int data_fd = -1;
  bool attached = false;  // the arena's pages are mapped in this process, which can read them there
  RecoverHeapFunction recover_heap = nullptr;
};

// A range that is to be claimed: `wanted` pages that were asked for, or touched, and after them
// `extra` ones, which are counted as what they are to become from the moment they are claimed.
struct Claim {
  IntentKind kind = IntentKind::kNone;
  uint64_t first = 0;
  uint64_t wanted = 0;
  uint64_t extra = 0;  // kAllocate: to be kept; kTouch: ahead

  uint64_t count() const { return wanted + extra; }
};

// Inside a transaction: takes the claim out of `from`, counts it, and writes the operation's
// intent.
int ClaimInTransaction(Transaction& transaction, const FreeRange& from, const Claim& claim);

// Inside a transaction: -EDQUOT if the arena's quota does not allow so many more pages to be
// allocated, populated ahead or kept, else 0; `room`, if not null, is how many it allows.
int CheckQuota(Transaction& transaction, uint64_t more, uint64_t* room = nullptr);

// Tags the claimed range, which is the operation's alone, and notes that it is tagged (phase 1).
void TagClaim(const Control& control, uint32_t operation, IntentKind kind, uint64_t first,
              uint64_t count);

// Gives tagged pages their final kind.
void FillStates(const Control& control, uint32_t operation, uint64_t first, uint64_t count,
                PageKind kind);

// Phase of an allocation that met pages which existed already: whoever wrote to them while they
// were free must not lose that, so undoing it does not punch.
inline constexpr uint32_t kPhaseMetExisting = 2;

// Turns an allocation or reservation that did not end into a freeing of its pages. Pages that
// somebody has written to meanwhile stay allocated.
void UndoClaim(const PageContext& context, uint32_t operation);

// Ends a touch: pages still tagged become what a touch makes of them.
void FinishTouch(const PageContext& context, uint32_t operation);

// Ends a freeing: punches (phase 0), inserts from the cursor on, clears. An error of the punching
// leaves those pages as they were before.
int FinishFree(const PageContext& context, uint32_t operation);

// Frees a run of pages that are all ALLOCATED under the operation's number, as its intent kFreeRun
// says. Like FinishFree.
int FreeRun(const PageContext& context, uint32_t operation);
// Gives pages that the caller has allocated the operation's number, which FreeRun needs.
void TagRun(const Control& control, uint32_t operation, uint64_t first, uint64_t count);

// Gives up pages that some process keeps: they become free and stay populated, since somebody may
// just be touching them, or have done so: a free page with data is a touched page.
void ReleaseKept(const PageContext& context, uint32_t operation, uint64_t first, uint64_t count);

// Why a page becomes allocated without AllocPages.
enum class Evidence : uint32_t {
  kTouch,  // it is being touched
  kData,   // it holds data, so it has been touched
};

// Makes one page ALLOCATED that is RESERVED, AHEAD or KEPT. `seen` is its state. -EAGAIN: the state
// has changed, or there is no evidence; look again. -EDQUOT: the quota does not allow it, and
// nothing has changed.
int Convert(const PageContext& context, uint32_t operation, uint64_t page, uint16_t seen,
            Evidence evidence);
int FinishConvert(const PageContext& context, uint32_t operation);

// The first run of pages in [from, end) that no free range contains. False: none.
bool NextOccupied(const Control& control, uint32_t operation, uint64_t from, uint64_t end,
                  PageRange* run);

// The same of the pages that free ranges contain.
bool NextFree(const Control& control, uint32_t operation, uint64_t from, uint64_t end,
              PageRange* run);

// Calls visit(page, state) for every page of [first, end) that no free range contains.
template <typename Visit>
void ForOccupiedPages(const Control& control, uint32_t operation, uint64_t first, uint64_t end,
                      Visit visit) {
  PageRange occupied;
  while (NextOccupied(control, operation, first, end, &occupied)) {
    for (uint64_t page = occupied.first; page < occupied.end(); ++page) {
      visit(page, control.state(page));
    }
    first = occupied.end();
  }
}

}  // namespace uarena

#endif  // UARENA_PAGES_STEPS_H_
