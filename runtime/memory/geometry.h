// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_MEMORY_GEOMETRY_H_
#define UARENA_MEMORY_GEOMETRY_H_

#include <cstdint>

namespace uarena {

// Where an arena's pages are; the same numbers in every process. Pages are named by number from
// here on: page p is at base + p * page_size, and at offset p * page_size of the data memfd.
struct Geometry {
  uint64_t base = 0;
  uint64_t max_pages = 0;
  uint32_t page_shift = 0;
  bool huge = false;

  uint64_t page_size() const { return uint64_t{1} << page_shift; }
  uint64_t bytes() const { return max_pages << page_shift; }
  uint64_t AddressOf(uint64_t page) const { return base + (page << page_shift); }
  uint64_t PageOf(uint64_t address) const { return (address - base) >> page_shift; }
  bool Contains(uint64_t address) const { return address - base < bytes(); }
};

inline constexpr uint64_t k4GiB = uint64_t{1} << 32;
// A BPF load or store carries a 16-bit signed offset, so it may reach this far beyond either end.
inline constexpr uint64_t kGuardBytes = uint64_t{32} << 10;
// Page numbers are 32 bits in shared memory; two values are taken.
inline constexpr uint64_t kMaxPages = (uint64_t{1} << 32) - 2;

}  // namespace uarena

#endif  // UARENA_MEMORY_GEOMETRY_H_
