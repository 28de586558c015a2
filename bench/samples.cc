// SPDX-License-Identifier: Apache-2.0
#include "bench/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "bench/touch.h"

namespace uarena::bench {
namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Samples::Samples(size_t capacity) : bytes_(sizeof(Header) + capacity * sizeof(uint32_t)) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mapping the samples");
    abort();
  }
  header_ = static_cast<Header*>(memory);
  values_ = reinterpret_cast<uint32_t*>(header_ + 1);
}

Samples::~Samples() { munmap(header_, bytes_); }

void Samples::Clear() { *header_ = {}; }

void Samples::Measure(char* base, size_t page_size, std::span<const uint64_t> order, uint64_t seed,
                      bool prior) {
  // The samples' own pages are touched before, not while, measuring.
  std::fill_n(values_, order.size(), 1);
  int64_t before = NowNs();
  for (size_t i = 0; i < order.size(); ++i) {
    Touch(base, order[i], page_size, seed);
    const int64_t now = NowNs();
    values_[i] = static_cast<uint32_t>(
        std::min<int64_t>(now - before, std::numeric_limits<uint32_t>::max()));
    before = now;
  }
  header_->count = order.size();
  header_->wrong_pages =
      static_cast<uint64_t>(std::count_if(order.begin(), order.end(), [&](uint64_t page) {
        return !HoldsPattern(base, page, page_size, seed, prior);
      }));
}

double ClockCostNs() {
  constexpr int kRounds = 101;
  constexpr int kReadings = 1000;
  std::vector<double> costs;
  for (int round = 0; round < kRounds; ++round) {
    const int64_t start = NowNs();
    for (int i = 0; i < kReadings - 1; ++i) NowNs();
    costs.push_back(static_cast<double>(NowNs() - start) / kReadings);
  }
  std::nth_element(costs.begin(), costs.begin() + kRounds / 2, costs.end());
  return costs[kRounds / 2];
}

}  // namespace uarena::bench
