// SPDX-License-Identifier: Apache-2.0
#include "pages/free_ranges.h"

#include <bit>

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

uint64_t FreeRanges::RangeIndex(uint64_t page, RangeWord word) const {
  return layout_.ranges + page * kRangeWords + word;
}

std::optional<PageRange> FreeRanges::RangeAt(uint64_t start) {
  const uint64_t count = start < max_pages_ ? transaction_.Read(RangeIndex(start, kRangeSize)) : 0;
  if (count == 0 || count > max_pages_ - start) {
    transaction_.MarkInconsistent();
    return std::nullopt;
  }
  return PageRange{start, count};
}

std::optional<PageRange> FreeRanges::Containing(uint64_t page) {
  const std::optional<uint64_t> start = PreviousBit(transaction_, layout_.starts, page);
  if (!start.has_value()) return std::nullopt;
  const std::optional<PageRange> range = RangeAt(*start);
  if (!range.has_value() || range->end() <= page) return std::nullopt;
  return range;
}

std::optional<PageRange> FreeRanges::NextFrom(uint64_t page) {
  const std::optional<uint64_t> start = NextBit(transaction_, layout_.starts, max_pages_, page);
  if (!start.has_value()) return std::nullopt;
  return RangeAt(*start);
}

std::optional<PageRange> FreeRanges::FindFit(uint64_t count) {
  const std::optional<uint64_t> size = NextBit(transaction_, layout_.sizes, max_pages_ + 1, count);
  if (!size.has_value()) return std::nullopt;
  const uint32_t link = transaction_.Read(layout_.heads + *size);
  if (link == 0) {
    transaction_.MarkInconsistent();
    return std::nullopt;
  }
  const std::optional<PageRange> range = RangeAt(link - 1);
  if (range.has_value() && range->count != *size) transaction_.MarkInconsistent();
  return range;
}

void FreeRanges::Insert(uint64_t first, uint64_t count) {
  const uint64_t head_index = layout_.heads + count;
  const uint32_t old_head = transaction_.Read(head_index);
  const auto link = static_cast<uint32_t>(first + 1);
  transaction_.Write(RangeIndex(first, kRangeSize), static_cast<uint32_t>(count));
  transaction_.Write(RangeIndex(first, kRangePrev), 0);
  transaction_.Write(RangeIndex(first, kRangeNext), old_head);
  if (old_head == 0) {
    SetBit(transaction_, layout_.sizes, count);
  } else if (old_head <= max_pages_) {
    transaction_.Write(RangeIndex(old_head - 1, kRangePrev), link);
  } else {
    transaction_.MarkInconsistent();
  }
  transaction_.Write(head_index, link);
  SetBit(transaction_, layout_.starts, first);
}

void FreeRanges::Erase(const PageRange& range) {
  const uint32_t previous = transaction_.Read(RangeIndex(range.first, kRangePrev));
  const uint32_t next = transaction_.Read(RangeIndex(range.first, kRangeNext));
  if (previous > max_pages_ || next > max_pages_) {
    transaction_.MarkInconsistent();
    return;
  }
  if (previous != 0) {
    transaction_.Write(RangeIndex(previous - 1, kRangeNext), next);
  } else {
    transaction_.Write(layout_.heads + range.count, next);
    if (next == 0) ClearBit(transaction_, layout_.sizes, range.count);
  }
  if (next != 0) transaction_.Write(RangeIndex(next - 1, kRangePrev), previous);
  ClearBit(transaction_, layout_.starts, range.first);
}

void FreeRanges::Take(const PageRange& from, uint64_t first, uint64_t count) {
  Erase(from);
  // Left, then right: among equals the kernel prefers the one inserted last.
  if (first > from.first) Insert(from.first, first - from.first);
  if (first + count < from.end()) Insert(first + count, from.end() - first - count);
}

void FreeRanges::Give(uint64_t first, uint64_t count) {
  uint64_t end = first + count;
  if (first > 0) {
    if (const std::optional<PageRange> left = Containing(first - 1); left.has_value()) {
      if (left->end() != first) transaction_.MarkInconsistent();
      Erase(*left);
      first = left->first;
    }
  }
  if (end < max_pages_) {
    if (const std::optional<PageRange> right = Containing(end); right.has_value()) {
      if (right->first != end) transaction_.MarkInconsistent();
      Erase(*right);
      end = right->end();
    }
  }
  Insert(first, end - first);
}

}  // namespace uarena
