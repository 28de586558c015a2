// SPDX-License-Identifier: Apache-2.0
//
// The free ranges of an arena and the placement of allocations in them: best fit, the newest of
// equals first, which is what the kernel's range_tree.c does with two red-black trees. Here they
// are arrays indexed by page or by size, so that a change is a handful of words, whatever the
// number of ranges.
//
// Invariants: ranges are maximal (no two touch) and disjoint; bit p of `starts` is set exactly when
// a range starts at p; it is in the list head[size]; bit s of `sizes` is set exactly when head[s]
// is not empty.
//
// Example, 8 pages, [2,8) free. FindFit(1) = 2. Take(4, 1): [2,4) and [5,8) remain, head[2] = 2,
// head[3] = 5. Give(4, 1): they merge into [2,8) again.
#ifndef UARENA_PAGES_FREE_RANGES_H_
#define UARENA_PAGES_FREE_RANGES_H_

#include <cstdint>
#include <optional>

#include "pages/transaction.h"

namespace uarena {

struct PageRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

// A view for the time of one transaction's attempt. Page numbers passed in must be within the
// arena.
class FreeRanges {
 public:
  explicit FreeRanges(Transaction& transaction);

  // The free range that contains `page`.
  std::optional<PageRange> Containing(uint64_t page);
  // The first free range that starts at or after `page`.
  std::optional<PageRange> NextFrom(uint64_t page);
  // Where an allocation of `count` pages goes.
  std::optional<PageRange> FindFit(uint64_t count);

  // Removes [first, first + count), which must lie within one free range, here `from`.
  void Take(const PageRange& from, uint64_t first, uint64_t count);
  // Adds a range of which no page may be free; merges it with its neighbours.
  void Give(uint64_t first, uint64_t count);

 private:
  uint64_t RangeIndex(uint64_t page, RangeWord word) const;
  std::optional<PageRange> RangeAt(uint64_t start);
  void Insert(uint64_t first, uint64_t count);
  void Erase(const PageRange& range);

  Transaction& transaction_;
  const Layout& layout_;
  const uint64_t max_pages_;
};

// The summary bitmaps of BitmapLayout, on words of a transaction.
void SetBit(Transaction& transaction, const BitmapLayout& bitmap, uint64_t bit);
void ClearBit(Transaction& transaction, const BitmapLayout& bitmap, uint64_t bit);
// The nearest set bit at or after / at or before `bit`, below `bits`.
std::optional<uint64_t> NextBit(Transaction& transaction, const BitmapLayout& bitmap, uint64_t bits,
                                uint64_t bit);
std::optional<uint64_t> PreviousBit(Transaction& transaction, const BitmapLayout& bitmap,
                                    uint64_t bit);

}  // namespace uarena

#endif  // UARENA_PAGES_FREE_RANGES_H_
