// SPDX-License-Identifier: Apache-2.0
//
// The contents of a run of pages that an allocator gave. The words are those of bench/touch.h, with
// the pages numbered from the arena's beginning, so that two runs never hold the same.
#ifndef UARENA_BENCH_SUPPORT_PAGE_RUN_H_
#define UARENA_BENCH_SUPPORT_PAGE_RUN_H_

#include <cstddef>
#include <cstdint>

namespace uarena::bench {

struct PageRun {
  char* base;  // of the arena
  char* start;
  uint64_t count;
  size_t page_size;

  // Writes to each page what `seed` gives.
  void TouchAll(uint64_t seed) const;
  // Pages that hold anything but that. Right after TouchAll it also finds pages that did not hold
  // zeros before.
  uint64_t WrongPages(uint64_t seed) const;
  // Leaves a word in each page that nobody who allocates it later may find.
  void Dirty() const;

 private:
  uint64_t first() const { return static_cast<uint64_t>(start - base) / page_size; }
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_PAGE_RUN_H_
