// SPDX-License-Identifier: Apache-2.0
//
// Page allocation: what the public calls and the fault resolver do to pages, in terms of the steps.
#ifndef UARENA_PAGES_ALLOCATOR_H_
#define UARENA_PAGES_ALLOCATOR_H_

#include <cstdint>
#include <optional>

#include "pages/control.h"
#include "pages/kept_pages.h"
#include "pages/steps.h"

namespace uarena {

// Allocates, frees, reserves and touches pages on behalf of one process. Thread-safe and
// async-signal-safe. Page ranges must lie within the arena. Everything returns 0 or -errno:
//   -EEXIST    a page of the range is taken         -ENOSPC  no such run of free pages
//   -EDQUOT    beyond the arena's quota              -ENOMEM  no memory (also -ENOSPC from hugetlb)
//   -EALREADY  nothing there to free                 -EUSERS  all operation records are taken
//   -EACCES    segv_on_fault, page not allocated     -EUCLEAN the control memory is damaged
class Allocator {
 public:
  Allocator() = default;
  Allocator(const PageContext& context, uint32_t process_slot)
      : context_(context), slot_(process_slot) {}

  // Takes `count` pages at `at`, or where they fit best, makes them resident, on NUMA node `node`
  // if that is not negative, and maps them. Pages after them may be populated at the same time for
  // `kept`, if that is not null and wants some.
  int Allocate(std::optional<uint64_t> at, uint64_t count, int node, KeptPages* kept,
               uint64_t* first);

  // The same anywhere, with the caller's operation, whose intent stays: until it is cleared, the
  // caller's death undoes the allocation.
  int AllocateHeld(uint32_t operation, uint64_t count, int node, KeptPages* kept, uint64_t* first);

  // Frees what is allocated, reserved or ahead in the range, and gives its memory back.
  int Free(uint64_t first, uint64_t count);

  int Reserve(uint64_t first, uint64_t count);

  // Resolves a touch of the `touched` pages from `page` on: makes as many pages from there resident
  // and mapped as are free, up to `window` (at least `touched`). The touched ones become ALLOCATED,
  // the others AHEAD. `mapped` is how many are mapped now: at least 1, perhaps fewer than
  // `touched`.
  int Touch(uint64_t page, uint64_t touched, uint64_t window, uint64_t* mapped);

  // Maps the page if a call of process `slot` is just working on it: keeping it, or taking it
  // again, reads and writes the page itself. In an arena whose control memory somebody has damaged
  // a touch may be refused, but not to the library.
  bool MapForOwnCall(uint64_t page, uint32_t slot);

  // Makes the whole range allocated, resident and mapped.
  int Populate(uint64_t first, uint64_t count);

  // Makes free pages of the range that hold data ALLOCATED: somebody has touched them unseen. With
  // `zero_too`, every free page that holds memory.
  int AdoptTouched(uint64_t first, uint64_t count, bool zero_too);

  // Looks into the AHEAD and KEPT pages of the range: those that hold data become ALLOCATED; the
  // others stay, or with `release` become free. Adopts touched free pages too.
  int Settle(uint64_t first, uint64_t count, bool release);

  const PageContext& context() const { return context_; }

 private:
  int AllocateOnce(uint32_t operation, std::optional<uint64_t> at, uint64_t count, int node,
                   KeptPages* kept, uint64_t* first);
  int AdoptIn(uint32_t operation, const PageRange& free_pages, bool zero_too);
  int FreeOnce(uint64_t first, uint64_t count);
  int ReserveOnce(uint64_t first, uint64_t count);
  // Whether a page that was just mapped has been freed before: then it may be free and hold memory,
  // which is noted.
  bool NoteIfFree(uint64_t page);
  int TouchCounted(uint64_t page, uint64_t touched, uint64_t window, uint64_t* mapped);
  int TouchFree(uint32_t operation, uint64_t page, uint64_t touched, uint64_t window,
                uint64_t* mapped);
  template <typename Try>
  int WithRoom(std::optional<uint64_t> at, uint64_t count, Try attempt);

  PageContext context_;
  uint32_t slot_ = 0;
};

}  // namespace uarena

#endif  // UARENA_PAGES_ALLOCATOR_H_
