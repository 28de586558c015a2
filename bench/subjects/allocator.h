// SPDX-License-Identifier: Apache-2.0
//
// Allocation of pages, where a subject has it. Times, in nanoseconds, are those of the allocator's
// work: how a subject gets there (into the kernel, into a BPF program) is not in them. Each
// includes at most one reading of the clock for each run of pages.
#ifndef UARENA_BENCH_SUBJECTS_ALLOCATOR_H_
#define UARENA_BENCH_SUBJECTS_ALLOCATOR_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace uarena::bench {

class Allocator {
 public:
  virtual ~Allocator() = default;

  // Allocates `runs.size()` runs of `count` zeroed pages, anywhere, each by a call of its own. Says
  // where they are and how long that took.
  virtual absl::StatusOr<uint64_t> AllocRuns(uint64_t count, std::span<char*> runs) = 0;

  virtual absl::Status Free(char* run, uint64_t count) = 0;

  // Keeps AllocRuns away from these pages.
  virtual absl::Status Reserve(char* run, uint64_t count) = 0;

  // Allocates `count` pages anywhere and frees them, `iterations` times over. Says how long that
  // took.
  virtual absl::StatusOr<uint64_t> ChurnNs(uint64_t count, uint64_t iterations) = 0;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_ALLOCATOR_H_
