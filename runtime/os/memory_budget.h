// SPDX-License-Identifier: Apache-2.0
//
// How much memory this process may still take. The kernel answers a shortage by killing somebody,
// not by an error to whoever asked last; so whoever allocates asks here first.
#ifndef UARENA_OS_MEMORY_BUDGET_H_
#define UARENA_OS_MEMORY_BUDGET_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace uarena {

// Bytes that the machine and every memory cgroup above this process have left, counting page cache
// as left. Reads a few files of /proc and cgroupfs: some 50 µs.
class MemoryHeadroom {
 public:
  // Finds this process's cgroups, of version 1 or 2.
  MemoryHeadroom();
  // Async-signal-safe.
  uint64_t Bytes() const;

 private:
  struct Cgroup {
    std::string limit_path;
    std::string usage_path;
    std::string stat_path;
  };
  std::vector<Cgroup> cgroups_;
};

// Hands out headroom in portions, so that most requests cost one atomic subtraction. Thread-safe
// and async-signal-safe. Other processes' use between two portions goes unseen, hence their size:
// an eighth of what is left, at most 64 MiB.
class MemoryBudget {
 public:
  // Whether `bytes` more may be taken; if so, they count as taken.
  bool Take(uint64_t bytes);

 private:
  MemoryHeadroom headroom_;
  std::atomic<int64_t> portion_{0};
};

}  // namespace uarena

#endif  // UARENA_OS_MEMORY_BUDGET_H_
