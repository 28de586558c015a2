// SPDX-License-Identifier: Apache-2.0
//
// Heaps of a single process: the C library's, and the least that can be called one.
#ifndef UARENA_BENCH_OBJECTS_PRIVATE_HEAPS_H_
#define UARENA_BENCH_OBJECTS_PRIVATE_HEAPS_H_

#include <memory>
#include <string>

#include "bench/objects/heap_subject.h"

namespace uarena::bench {

// malloc and free of the C library, as it comes.
class GlibcHeapSubject : public HeapSubject {
 public:
  std::string name() const override { return "glibc_malloc"; }
  absl::Status CheckAvailable(const HeapNeed& need) override;
  absl::StatusOr<std::unique_ptr<BenchHeap>> Make(const HeapNeed& need) override;
};

// A list of freed blocks for each size, and the end of a mapping for what the lists do not have: no
// checks, no threads, no block ever split or joined. What it takes is the harness and next to
// nothing else, so it says how much of the others' times is not theirs.
class FreeListsSubject : public HeapSubject {
 public:
  std::string name() const override { return "free_lists"; }
  absl::Status CheckAvailable(const HeapNeed& need) override;
  absl::StatusOr<std::unique_ptr<BenchHeap>> Make(const HeapNeed& need) override;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_PRIVATE_HEAPS_H_
