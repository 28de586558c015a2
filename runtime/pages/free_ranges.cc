// SPDX-License-Identifier: Apache-2.0
#include "pages/free_ranges.h"

#include <bit>
#include <functional>

namespace uarena {

void SetBit(Transaction& transaction, const BitmapLayout& bitmap, uint64_t bit) {
  for (int level = 0; level < bitmap.levels; ++level, bit /= 32) {
    const uint64_t index = bitmap.first_word[level] + bit / 32;
    const uint32_t word = transaction.Read(index);
    transaction.Write(index, word | 1u << (bit % 32));
    if (word != 0) return;  // the summary knows of it
  }
}

void ClearBit(Transaction& transaction, const BitmapLayout& bitmap, uint64_t bit) {
  for (int level = 0; level < bitmap.levels; ++level, bit /= 32) {
    const uint64_t index = bitmap.first_word[level] + bit / 32;
    const uint32_t word = transaction.Read(index) & ~(1u << (bit % 32));
    transaction.Write(index, word);
    if (word != 0) return;
  }
}

std::optional<uint64_t> NextBit(Transaction& transaction, const BitmapLayout& bitmap, uint64_t bits,
                                uint64_t bit) {
  if (bit >= bits) return std::nullopt;
  // Up until a word has a bit at or after ours, then down along the lowest bits.
  int level = 0;
  uint64_t position = bit;
  uint64_t word = 0;
  while (true) {
    word = transaction.Read(bitmap.first_word[level] + position / 32) & ~uint64_t{0}
                                                                            << (position % 32);
    if (word != 0) break;
    position = position / 32 + 1;
    if (++level == bitmap.levels) return std::nullopt;
    // Past the last word of the level below there is nothing to summarise.
    const uint64_t level_bits = level + 1 < bitmap.levels
                                    ? (bitmap.first_word[level + 1] - bitmap.first_word[level]) * 32
                                    : 32;
    if (position >= level_bits) return std::nullopt;
  }
  position = position / 32 * 32 + static_cast<uint64_t>(std::countr_zero(word));
  while (level-- > 0) {
    word = transaction.Read(bitmap.first_word[level] + position);
    if (word == 0) {
      transaction.MarkInconsistent();
      return std::nullopt;
    }
    position = position * 32 + static_cast<uint64_t>(std::countr_zero(word));
  }
  if (position >= bits) {
    transaction.MarkInconsistent();
    return std::nullopt;
  }
  return position;
}

std::optional<uint64_t> PreviousBit(Transaction& transaction, const BitmapLayout& bitmap,
                                    uint64_t bit) {
  int level = 0;
  uint64_t position = bit;
  uint32_t word = 0;
  while (true) {
    word = transaction.Read(bitmap.first_word[level] + position / 32) &
           static_cast<uint32_t>((uint64_t{2} << (position % 32)) - 1);
    if (word != 0) break;
    if (position / 32 == 0 || ++level == bitmap.levels) return std::nullopt;
    position = position / 32 - 1;
  }
  position = position / 32 * 32 + 31 - static_cast<uint64_t>(std::countl_zero(word));
  while (level-- > 0) {
    word = transaction.Read(bitmap.first_word[level] + position);
    if (word == 0) {
      transaction.MarkInconsistent();
      return std::nullopt;
    }
    position = position * 32 + 31 - static_cast<uint64_t>(std::countl_zero(word));
  }
  return position;
}

FreeRanges::FreeRanges(Transaction& transaction)
    : transaction_(transaction),
      layout_(transaction.control().layout()),
      max_pages_(transaction.control().max_pages()) {}

uint64_t FreeRanges::NodeIndex(uint32_t node, NodeWord word) const {
  return layout_.nodes + uint64_t{node} * kNodeWords + word;
}

uint32_t FreeRanges::Get(uint32_t node, NodeWord word) {
  if (node < layout_.node_count) return transaction_.Read(NodeIndex(node, word));
  transaction_.MarkInconsistent();
  return 0;
}

void FreeRanges::Set(uint32_t node, NodeWord word, uint64_t value) {
  if (node == 0 || node >= layout_.node_count) return transaction_.MarkInconsistent();
  transaction_.Write(NodeIndex(node, word), static_cast<uint32_t>(value));
}

std::optional<FreeRange> FreeRanges::RangeOf(uint32_t node) {
  const uint64_t start = Get(node, kNodeStart);
  const uint64_t count = Get(node, kNodeSize);
  if (node == 0 || start >= max_pages_ || count == 0 || count > max_pages_ - start) {
    transaction_.MarkInconsistent();
    return std::nullopt;
  }
  return FreeRange{{start, count}, node};
}

template <typename Visit>
void FreeRanges::Walk(uint64_t link, NodeWord next, uint64_t length, Visit visit) {
  for (uint64_t i = 0; i <= length; ++i) {
    const uint32_t node = transaction_.Read(link);
    if (node == 0) return;
    if (i == length || node >= layout_.node_count) break;
    if (!visit(node, link)) return;
    link = NodeIndex(node, next);
  }
  transaction_.MarkInconsistent();
}

template <typename Accept, typename Better>
uint32_t FreeRanges::Best(uint64_t link, NodeWord next, uint64_t length, NodeWord word,
                          Accept accept, Better better) {
  uint32_t found = 0;
  uint64_t best = 0;
  Walk(link, next, length, [&](uint32_t node, uint64_t) {
    const uint64_t value = Get(node, word);
    if (accept(value) && (found == 0 || better(value, best))) {
      found = node;
      best = value;
    }
    return true;
  });
  return found;
}

uint32_t FreeRanges::LastUpTo(uint64_t block, uint64_t page) {
  return Best(
      layout_.block_heads + block, kNodeBlockNext, kBlockPages / 2, kNodeStart,
      [&](uint64_t start) { return start <= page; }, std::greater<>());
}

uint32_t FreeRanges::FirstFrom(uint64_t block, uint64_t page) {
  return Best(
      layout_.block_heads + block, kNodeBlockNext, kBlockPages / 2, kNodeStart,
      [&](uint64_t start) { return start >= page; }, std::less<>());
}

uint32_t FreeRanges::SmallestFrom(uint64_t size_class, uint64_t size) {
  return Best(
      layout_.class_heads + size_class, kNodeSizeNext, kClassSizes, kNodeSize,
      [&](uint64_t its_size) { return its_size >= size; }, std::less<>());
}

std::optional<FreeRange> FreeRanges::Containing(uint64_t page) {
  uint32_t node = LastUpTo(page / kBlockPages, page);
  if (node == 0) {
    if (page < kBlockPages) return std::nullopt;
    const std::optional<uint64_t> block =
        PreviousBit(transaction_, layout_.blocks, page / kBlockPages - 1);
    if (!block.has_value()) return std::nullopt;
    node = LastUpTo(*block, page);
  }
  const std::optional<FreeRange> range = RangeOf(node);
  if (!range.has_value() || range->end() <= page) return std::nullopt;
  return range;
}

std::optional<FreeRange> FreeRanges::NextFrom(uint64_t page) {
  uint32_t node = FirstFrom(page / kBlockPages, page);
  if (node == 0) {
    const std::optional<uint64_t> block =
        NextBit(transaction_, layout_.blocks, layout_.block_count, page / kBlockPages + 1);
    if (!block.has_value()) return std::nullopt;
    node = FirstFrom(*block, page);
  }
  return RangeOf(node);
}

std::optional<FreeRange> FreeRanges::FindFit(uint64_t count) {
  uint32_t node = SmallestFrom(SizeClass(count), count);
  if (node == 0) {
    const std::optional<uint64_t> next =
        NextBit(transaction_, layout_.classes, layout_.class_count, SizeClass(count) + 1);
    if (!next.has_value()) return std::nullopt;
    node = SmallestFrom(*next, count);
  }
  return RangeOf(node);
}

uint32_t FreeRanges::NewNode() {
  const uint32_t recycled = transaction_.Read(kWordFreeNode);
  if (recycled != 0) {
    transaction_.Write(kWordFreeNode, Get(recycled, kNodeNext));
    return recycled;
  }
  const uint32_t node = transaction_.Read(kWordNodesUsed) + 1;
  transaction_.Write(kWordNodesUsed, node);
  return node;
}

void FreeRanges::DeleteNode(uint32_t node) {
  Set(node, kNodeSize, 0);
  Set(node, kNodeNext, transaction_.Read(kWordFreeNode));
  transaction_.Write(kWordFreeNode, node);
}

void FreeRanges::LinkBlock(uint32_t node, uint64_t start) {
  const uint64_t head = layout_.block_heads + start / kBlockPages;
  const uint32_t first = transaction_.Read(head);
  Set(node, kNodeStart, start);
  Set(node, kNodeBlockNext, first);
  transaction_.Write(head, node);
  if (first == 0) SetBit(transaction_, layout_.blocks, start / kBlockPages);
}

void FreeRanges::UnlinkBlock(uint32_t node, uint64_t start) {
  const uint64_t head = layout_.block_heads + start / kBlockPages;
  bool unlinked = false;
  Walk(head, kNodeBlockNext, kBlockPages / 2, [&](uint32_t at, uint64_t link) {
    if (at != node) return true;
    transaction_.Write(link, Get(node, kNodeBlockNext));
    unlinked = true;
    return false;
  });
  if (!unlinked) transaction_.MarkInconsistent();
  if (transaction_.Read(head) == 0) ClearBit(transaction_, layout_.blocks, start / kBlockPages);
}

void FreeRanges::LinkSize(uint32_t node, uint64_t size) {
  const uint64_t class_head = layout_.class_heads + SizeClass(size);
  const uint32_t first = transaction_.Read(class_head);
  uint32_t old_head = 0;
  uint64_t link_to_head = class_head;
  Walk(class_head, kNodeSizeNext, kClassSizes, [&](uint32_t at, uint64_t link) {
    if (Get(at, kNodeSize) != size) return true;
    old_head = at;
    link_to_head = link;
    return false;
  });
  Set(node, kNodeSize, size);
  Set(node, kNodePrev, 0);
  Set(node, kNodeNext, old_head);
  if (old_head != 0) {
    // It takes the old head's place in the chain of the class.
    Set(node, kNodeSizeNext, Get(old_head, kNodeSizeNext));
    Set(old_head, kNodePrev, node);
  } else {
    Set(node, kNodeSizeNext, first);
    if (first == 0) SetBit(transaction_, layout_.classes, SizeClass(size));
  }
  transaction_.Write(link_to_head, node);
}

void FreeRanges::UnlinkSize(uint32_t node, uint64_t size) {
  const uint32_t previous = Get(node, kNodePrev);
  const uint32_t next = Get(node, kNodeNext);
  if (next != 0) Set(next, kNodePrev, previous);
  if (previous != 0) return Set(previous, kNodeNext, next);
  const uint64_t class_head = layout_.class_heads + SizeClass(size);
  bool unlinked = false;
  Walk(class_head, kNodeSizeNext, kClassSizes, [&](uint32_t at, uint64_t link) {
    if (at != node) return true;
    const uint32_t after = Get(node, kNodeSizeNext);
    if (next != 0) Set(next, kNodeSizeNext, after);
    transaction_.Write(link, next != 0 ? next : after);
    unlinked = true;
    return false;
  });
  if (!unlinked) transaction_.MarkInconsistent();
  if (transaction_.Read(class_head) == 0) ClearBit(transaction_, layout_.classes, SizeClass(size));
}

void FreeRanges::Insert(uint64_t first, uint64_t count) {
  const uint32_t node = NewNode();
  LinkBlock(node, first);
  LinkSize(node, count);
}

void FreeRanges::Erase(const FreeRange& range) {
  UnlinkSize(range.node, range.count);
  UnlinkBlock(range.node, range.first);
  DeleteNode(range.node);
}

void FreeRanges::Change(const FreeRange& range, uint64_t first, uint64_t count) {
  UnlinkSize(range.node, range.count);
  if (first / kBlockPages == range.first / kBlockPages) {
    Set(range.node, kNodeStart, first);
  } else {
    UnlinkBlock(range.node, range.first);
    LinkBlock(range.node, first);
  }
  LinkSize(range.node, count);
}

void FreeRanges::Take(const FreeRange& from, uint64_t first, uint64_t count) {
  const uint64_t left = first - from.first;
  const uint64_t right = from.end() - first - count;
  if (left == 0 && right == 0) return Erase(from);
  if (left == 0) return Change(from, first + count, right);
  // Left, then right: among equals the kernel prefers the one inserted last.
  Change(from, from.first, left);
  if (right != 0) Insert(first + count, right);
}

void FreeRanges::Give(uint64_t first, uint64_t count) {
  const uint64_t end = first + count;
  std::optional<FreeRange> left;
  std::optional<FreeRange> right;
  if (first > 0) left = Containing(first - 1);
  if (end < max_pages_) right = Containing(end);
  if ((left.has_value() && left->end() != first) || (right.has_value() && right->first != end)) {
    transaction_.MarkInconsistent();
    return;
  }
  if (left.has_value()) {
    if (right.has_value()) Erase(*right);
    Change(*left, left->first, left->count + count + (right.has_value() ? right->count : 0));
  } else if (right.has_value()) {
    Change(*right, first, count + right->count);
  } else {
    Insert(first, count);
  }
}

bool FreeRanges::IsListed(const FreeRange& range) {
  const uint32_t previous = Get(range.node, kNodePrev);
  if (previous != 0) return Get(previous, kNodeNext) == range.node;
  return SmallestFrom(SizeClass(range.count), range.count) == range.node &&
         NextBit(transaction_, layout_.classes, layout_.class_count, SizeClass(range.count)) ==
             SizeClass(range.count);
}

}  // namespace uarena
