// SPDX-License-Identifier: Apache-2.0
#include "bench/support/touch.h"

#include <algorithm>
#include <vector>

#include "bench/support/clock.h"

namespace uarena::bench {

bool HoldsPattern(char* base, uint64_t page, size_t page_size, uint64_t seed, bool prior) {
  const auto* words = reinterpret_cast<const uint64_t*>(base + page * page_size);
  uint64_t rest = 0;
  for (size_t i = 2; i < page_size / sizeof(uint64_t); ++i) rest |= words[i];
  return words[0] == Pattern(page, seed) && words[1] == (prior ? Prior(page) : 0) && rest == 0;
}

void TouchInOrder(char* base, size_t page_size, std::span<const uint64_t> order, uint64_t seed,
                  bool prior, Samples* samples) {
  // Ones, so that these pages are touched before, not while, measuring.
  std::vector<uint32_t> nanoseconds(order.size(), 1);
  int64_t before = NowNs();
  for (size_t i = 0; i < order.size(); ++i) {
    Touch(base, order[i], page_size, seed);
    const int64_t now = NowNs();
    nanoseconds[i] = SampleNs(now - before);
    before = now;
  }
  samples->Append(nanoseconds);
  samples->AddWrongPages(
      static_cast<uint64_t>(std::count_if(order.begin(), order.end(), [&](uint64_t page) {
        return !HoldsPattern(base, page, page_size, seed, prior);
      })));
}

}  // namespace uarena::bench
