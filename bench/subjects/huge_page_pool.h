// SPDX-License-Identifier: Apache-2.0
//
// The system's pool of 2 MiB pages (vm.nr_hugepages), from which some subjects take their memory.
#ifndef UARENA_BENCH_SUBJECTS_HUGE_PAGE_POOL_H_
#define UARENA_BENCH_SUBJECTS_HUGE_PAGE_POOL_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/status.h"

namespace uarena::bench {

// Whether that many pages of the pool are free; the message says how many are.
absl::Status CheckHugePages(uint64_t pages);

// Makes the pool larger for as long as the object lives, where this user may. A guard process of a
// session of its own puts it back as soon as this process is gone, whatever ended it.
class HugePagePool {
 public:
  HugePagePool() = default;
  ~HugePagePool();
  HugePagePool(const HugePagePool&) = delete;
  HugePagePool& operator=(const HugePagePool&) = delete;

  // So that `pages` pages are free, or as many as there is memory for. Without the right to, or
  // when there are enough, it does nothing: CheckHugePages will tell. Call at most once, and before
  // this process has threads.
  void Grow(uint64_t pages);

 private:
  int life_fd_ = -1;  // held open by this process, and by children that it forks, alone
  pid_t guard_ = -1;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_HUGE_PAGE_POOL_H_
