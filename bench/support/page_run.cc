// SPDX-License-Identifier: Apache-2.0
#include "bench/support/page_run.h"

#include "bench/support/touch.h"

namespace uarena::bench {

void PageRun::TouchAll(uint64_t seed) const {
  for (uint64_t i = 0; i < count; ++i) Touch(base, first() + i, page_size, seed);
}

uint64_t PageRun::WrongPages(uint64_t seed) const {
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < count; ++i) {
    wrong += HoldsPattern(base, first() + i, page_size, seed, /*prior=*/false) ? 0 : 1;
  }
  return wrong;
}

void PageRun::Dirty() const {
  for (uint64_t i = 0; i < count; ++i) WritePrior(base, first() + i, page_size);
}

}  // namespace uarena::bench
