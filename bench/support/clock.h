// SPDX-License-Identifier: Apache-2.0
//
// The clock that everything is timed with.
#ifndef UARENA_BENCH_SUPPORT_CLOCK_H_
#define UARENA_BENCH_SUPPORT_CLOCK_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace uarena::bench {

inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A duration as a sample: what is longer than 4.29 s counts as that.
inline uint32_t SampleNs(int64_t ns) {
  return static_cast<uint32_t>(std::clamp<int64_t>(ns, 0, std::numeric_limits<uint32_t>::max()));
}

// What one reading of the clock costs, in nanoseconds; the median of many.
double ClockCostNs();

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_CLOCK_H_
