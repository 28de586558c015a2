// SPDX-License-Identifier: Apache-2.0
//
// The free ranges of an arena and the placement of allocations in them: best fit, the newest of
// equals first, which is what the kernel's range_tree.c does with two red-black trees. Here a range
// is a node of a pool, found by its start and by its size through summary bitmaps and short chains,
// so that a change is a few dozen words whatever the number of ranges.
//
// Invariants: ranges are maximal (no two touch) and disjoint. Every node is in the chain of the
// block its range starts in, and in the list of its size; the newest of a list, its head, is in the
// chain of its size class. Bit b of `blocks`, or c of `classes`, is set exactly when that chain is
// not empty. A chain of a block holds at most kBlockPages / 2 nodes; of a class, kClassSizes heads.
//
// Example, 8 pages, [2,8) free. FindFit(1) = [2,8). Take page 4: [2,4) keeps the node, [5,8) gets a
// new one. Give page 4: [2,4) grows to [2,8), and the other node is free again.
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

struct FreeRange : PageRange {
  uint32_t node = 0;
};

// A view for the time of one transaction's attempt. Page numbers passed in must be within the
// arena.
class FreeRanges {
 public:
  explicit FreeRanges(Transaction& transaction);

  // The free range that contains `page`.
  std::optional<FreeRange> Containing(uint64_t page);
  // The first free range that starts at or after `page`.
  std::optional<FreeRange> NextFrom(uint64_t page);
  // Where an allocation of `count` pages goes.
  std::optional<FreeRange> FindFit(uint64_t count);

  // Removes [first, first + count), which must lie within one free range, here `from`.
  void Take(const FreeRange& from, uint64_t first, uint64_t count);
  // Adds a range of which no page may be free; merges it with its neighbours.
  void Give(uint64_t first, uint64_t count);

  // Whether the list of its size and the chain of its class hold the range. For CheckInvariants.
  bool IsListed(const FreeRange& range);

 private:
  uint64_t NodeIndex(uint32_t node, NodeWord word) const;
  uint32_t Get(uint32_t node, NodeWord word);
  void Set(uint32_t node, NodeWord word, uint64_t value);
  std::optional<FreeRange> RangeOf(uint32_t node);

  // Calls visit(node, link) for the nodes of the chain that the word `link` begins, of at most
  // `length` nodes, until it answers false; there `link` is the word that leads to the node.
  template <typename Visit>
  void Walk(uint64_t link, NodeWord next, uint64_t length, Visit visit);
  // Of the chain's nodes whose `word` is accepted, the one with the best. 0: none.
  template <typename Accept, typename Better>
  uint32_t Best(uint64_t link, NodeWord next, uint64_t length, NodeWord word, Accept accept,
                Better better);
  // The node of the block that starts last, but not after `page` / first, but not before. 0: none.
  uint32_t LastUpTo(uint64_t block, uint64_t page);
  uint32_t FirstFrom(uint64_t block, uint64_t page);
  // The head of the least size that is not below `size`, in one size class.
  uint32_t SmallestFrom(uint64_t size_class, uint64_t size);

  uint32_t NewNode();
  void DeleteNode(uint32_t node);
  void LinkBlock(uint32_t node, uint64_t start);
  void UnlinkBlock(uint32_t node, uint64_t start);
  void LinkSize(uint32_t node, uint64_t size);
  void UnlinkSize(uint32_t node, uint64_t size);

  void Insert(uint64_t first, uint64_t count);
  void Erase(const FreeRange& range);
  // Changes a range's place and size; it becomes the newest of its new size.
  void Change(const FreeRange& range, uint64_t first, uint64_t count);

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
