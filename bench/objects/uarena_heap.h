// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_OBJECTS_UARENA_HEAP_H_
#define UARENA_BENCH_OBJECTS_UARENA_HEAP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/objects/heap_subject.h"
#include "uarena/arena.h"

namespace uarena::bench {

// An arena of 4 GiB with default options, for objects.
absl::StatusOr<Arena> MakeObjectArena();

// Its heap.
class UarenaHeapSubject : public HeapSubject {
 public:
  std::string name() const override { return "uarena_heap"; }
  absl::Status CheckAvailable(const HeapNeed& need) override;
  absl::StatusOr<std::unique_ptr<BenchHeap>> Make(const HeapNeed& need) override;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_UARENA_HEAP_H_
