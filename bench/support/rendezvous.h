// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_RENDEZVOUS_H_
#define UARENA_BENCH_SUPPORT_RENDEZVOUS_H_

#include <sched.h>

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "bench/support/clock.h"

namespace uarena::bench {

// A point that several processes pass together, once. In memory that they share.
class Rendezvous {
 public:
  // Waits until all of them are here. An error if one of them does not come.
  absl::Status Meet(int processes) {
    const int64_t start = NowNs();
    for (++arrived_; arrived_.load() < processes; sched_yield()) {
      if (NowNs() - start > kPatienceNs) {
        return absl::DeadlineExceededError("another process does not arrive");
      }
    }
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kPatienceNs = int64_t{30} * 1'000'000'000;

  std::atomic<int> arrived_{0};
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_RENDEZVOUS_H_
