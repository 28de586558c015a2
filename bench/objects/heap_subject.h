// SPDX-License-Identifier: Apache-2.0
//
// A heap subject: one way to get blocks of any size. As with pages, workloads know no subject and
// subjects know no workload.
#ifndef UARENA_BENCH_OBJECTS_HEAP_SUBJECT_H_
#define UARENA_BENCH_OBJECTS_HEAP_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace uarena::bench {

// What a workload asks of a heap.
struct HeapNeed {
  uint64_t bytes = 0;   // ample room for what is live at once
  bool shared = false;  // several processes, forked once the heap is made, use it together
};

// The heap of one repetition, made by a process and used by its forked children; its memory is
// freed with the object.
class BenchHeap {
 public:
  virtual ~BenchHeap() = default;

  // Null: there is no room.
  virtual void* Allocate(size_t size) = 0;

  // `size` is that of Allocate. False: refused.
  virtual bool Free(void* block, size_t size) = 0;

  // Bytes of memory that the heap has taken since StartCounting, for its blocks, for what lies
  // between them and for its books. Nothing where a heap cannot say. Called by the one process that
  // allocates.
  virtual void StartCounting() {}
  virtual std::optional<double> UsedBytes() { return std::nullopt; }
};

class HeapSubject {
 public:
  virtual ~HeapSubject() = default;

  // As in --subjects and in the JSON.
  virtual std::string name() const = 0;

  // Not OK if this machine, build or subject cannot do it: the message is the reason to skip it.
  virtual absl::Status CheckAvailable(const HeapNeed& need) = 0;

  // A heap without blocks. An error fails the run.
  virtual absl::StatusOr<std::unique_ptr<BenchHeap>> Make(const HeapNeed& need) = 0;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_HEAP_SUBJECT_H_
