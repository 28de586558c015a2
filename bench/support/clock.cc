// SPDX-License-Identifier: Apache-2.0
#include "bench/support/clock.h"

#include <utility>
#include <vector>

#include "bench/results/statistics.h"

namespace uarena::bench {

double ClockCostNs() {
  constexpr int kRounds = 101;
  constexpr int kReadings = 1000;
  std::vector<double> costs;
  for (int round = 0; round < kRounds; ++round) {
    const int64_t start = NowNs();
    for (int i = 0; i < kReadings - 1; ++i) NowNs();
    costs.push_back(static_cast<double>(NowNs() - start) / kReadings);
  }
  return Median(std::move(costs));
}

}  // namespace uarena::bench
