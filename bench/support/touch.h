// SPDX-License-Identifier: Apache-2.0
//
// What is done to one page: the words written to it, and how they are read back.
//
//   word 0    Pattern(page, seed), by the timed touch
//   word 1    Prior(page), by whoever made the page exist before the timed touch, if anybody did
//   others    zero
#ifndef UARENA_BENCH_SUPPORT_TOUCH_H_
#define UARENA_BENCH_SUPPORT_TOUCH_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/support/samples.h"

namespace uarena::bench {

// Odd multiples of the page number differ from page to page in every byte and are never zero.
inline uint64_t Pattern(uint64_t page, uint64_t seed) {
  return (2 * page + 1) * 0x9e3779b97f4a7c15 + 2 * seed;
}
inline uint64_t Prior(uint64_t page) { return Pattern(page, 0x5eed); }

inline volatile uint64_t* Words(char* base, uint64_t page, size_t page_size) {
  return reinterpret_cast<volatile uint64_t*>(base + page * page_size);
}

inline void Touch(char* base, uint64_t page, size_t page_size, uint64_t seed) {
  Words(base, page, page_size)[0] = Pattern(page, seed);
}

inline void WritePrior(char* base, uint64_t page, size_t page_size) {
  Words(base, page, page_size)[1] = Prior(page);
}

// Whether the page holds what it should and nothing else. `prior`: WritePrior has been called.
bool HoldsPattern(char* base, uint64_t page, size_t page_size, uint64_t seed, bool prior);

// Touches the pages of `order` one after the other, then reads all of them back. Each sample is the
// time from one clock reading to the next, so it includes one reading (see ClockCostNs), and the
// sum of all samples is the time that the loop took.
void TouchInOrder(char* base, size_t page_size, std::span<const uint64_t> order, uint64_t seed,
                  bool prior, Samples* samples);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_TOUCH_H_
