// SPDX-License-Identifier: Apache-2.0
//
// Size classes: multiples of 16 bytes up to 128, then eight to a doubling, so that rounding up
// wastes an eighth at most and a sixteenth on average. Pure.
#ifndef UARENA_HEAP_SIZE_CLASS_H_
#define UARENA_HEAP_SIZE_CLASS_H_

#include <array>
#include <bit>
#include <cstdint>

#include "pages/layout.h"

namespace uarena {

inline constexpr uint32_t kMaxSizeClass = 1 << 20;  // the size of the largest
inline constexpr uint32_t kSizeClasses = 8 + 13 * 8;
static_assert(kSizeClasses <= kHeapClasses);

constexpr uint32_t ClassSize(uint32_t size_class) {
  if (size_class < 8) return (size_class + 1) * 16;
  const uint32_t doubling = (size_class - 8) / 8;
  const uint32_t step = (size_class - 8) % 8;
  return (128u << doubling) + (step + 1) * (16u << doubling);
}

// The smallest class that holds `size`, from 1 to kMaxSizeClass.
constexpr uint32_t ClassOf(uint64_t size) {
  if (size <= 128) return static_cast<uint32_t>((size + 15) / 16) - 1;
  const auto log = static_cast<uint32_t>(std::bit_width(size - 1)) - 1;  // at least 7
  const auto step = static_cast<uint32_t>((size - 1) >> (log - 3)) & 7;
  return 8 + (log - 7) * 8 + step;
}
static_assert(ClassSize(kSizeClasses - 1) == kMaxSizeClass);
static_assert(ClassOf(1) == 0 && ClassOf(128) == 7 && ClassOf(129) == 8 && ClassOf(256) == 15);
static_assert(ClassOf(257) == 16 && ClassOf(kMaxSizeClass) == kSizeClasses - 1);

// What the spans of one class look like with pages of one size.
struct SpanShape {
  uint32_t size = 0;    // of a block
  uint32_t blocks = 0;  // in a span; 0: the class is not used
  uint32_t pages = 0;
  uint64_t bytes = 0;        // of those pages
  uint32_t words = 0;        // of 64 blocks' bits
  uint32_t group_shift = 0;  // log2 of the words that share a bit of the summary
  uint64_t reciprocal = 0;   // of the size

  // The block that contains the byte `offset` from the span's start, of at most 2^21 bytes.
  uint32_t BlockAt(uint64_t offset) const {
    return static_cast<uint32_t>(offset * reciprocal >> kReciprocalShift);
  }
  // Exact: reciprocal * size exceeds 2^43 by less than size, at most 2^20, times an offset of at
  // most 2^21.
  static constexpr uint32_t kReciprocalShift = 43;
};

// The shapes of all classes, and where the largest ends.
struct SpanShapes {
  std::array<SpanShape, kSizeClasses> of{};
  uint64_t largest = 0;  // size of block; beyond are runs of pages of their own
};

// A span has at least 16 KiB and 16 blocks, 8 of more than 4 KiB, and wastes less than a
// thirty-second at its end; 256 KiB at most, and then the least waste. Pages of 2 MiB are spans by
// themselves.
constexpr SpanShapes MakeSpanShapes(uint32_t page_shift) {
  constexpr uint64_t kLeastBytes = 16 << 10;
  constexpr uint64_t kMostBytes = 256 << 10;
  SpanShapes shapes;
  const uint64_t page = uint64_t{1} << page_shift;
  const uint64_t least = page > kLeastBytes ? 1 : kLeastBytes >> page_shift;
  const uint64_t most = page > kMostBytes ? 1 : kMostBytes >> page_shift;
  shapes.largest = page > kMostBytes ? kMaxSizeClass : 32 << 10;
  for (uint32_t c = 0; c < kSizeClasses && ClassSize(c) <= shapes.largest; ++c) {
    SpanShape& shape = shapes.of[c];
    shape.size = ClassSize(c);
    const uint64_t enough = shape.size <= 4096 ? 16 : 8;
    uint64_t least_waste = ~uint64_t{0};
    for (uint64_t pages = least; pages <= most; ++pages) {
      const uint64_t bytes = pages << page_shift;
      const uint64_t blocks = bytes / shape.size;
      const uint64_t waste = (bytes - blocks * shape.size) * 1024 / bytes;
      if ((blocks < enough && pages < most) || waste >= least_waste) continue;
      least_waste = waste;
      shape.pages = static_cast<uint32_t>(pages);
      shape.blocks = static_cast<uint32_t>(blocks);
      if (waste < 32) break;
    }
    shape.bytes = uint64_t{shape.pages} << page_shift;
    shape.words = (shape.blocks + 63) / 64;
    while ((shape.words - 1) >> shape.group_shift >= 64) ++shape.group_shift;
    shape.reciprocal = ((uint64_t{1} << SpanShape::kReciprocalShift) + shape.size - 1) / shape.size;
  }
  return shapes;
}

}  // namespace uarena

#endif  // UARENA_HEAP_SIZE_CLASS_H_
