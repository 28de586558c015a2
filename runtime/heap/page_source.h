// SPDX-License-Identifier: Apache-2.0
//
// Where the heap's pages come from and go to, in one process: what the process keeps, then the
// allocator.
#ifndef UARENA_HEAP_PAGE_SOURCE_H_
#define UARENA_HEAP_PAGE_SOURCE_H_

#include <cstdint>

#include "os/memory_budget.h"
#include "pages/allocator.h"
#include "pages/kept_pages.h"

namespace uarena {

// Cheap to copy. Thread-safe. Returns 0 or -errno, as Allocator.
class PageSource {
 public:
  PageSource() = default;
  PageSource(Allocator* allocator, KeptPages* kept, MemoryBudget* budget, uint32_t process_slot)
      : allocator_(allocator), kept_(kept), budget_(budget), slot_(process_slot) {}

  const PageContext& context() const { return allocator_->context(); }
  uint32_t process_slot() const { return slot_; }

  // Pages that the operation holds: they are given back if the process dies before the operation's
  // intent is cleared.
  int Allocate(uint32_t operation, uint64_t count, uint64_t* first);
  // Frees the run that is the operation's intent.
  void Free(uint32_t operation);

 private:
  Allocator* allocator_ = nullptr;
  KeptPages* kept_ = nullptr;
  MemoryBudget* budget_ = nullptr;
  uint32_t slot_ = 0;
};

}  // namespace uarena

#endif  // UARENA_HEAP_PAGE_SOURCE_H_
