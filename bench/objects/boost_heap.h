// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_OBJECTS_BOOST_HEAP_H_
#define UARENA_BENCH_OBJECTS_BOOST_HEAP_H_

#include <memory>
#include <string>

#include "bench/objects/heap_subject.h"

namespace uarena::bench {

// boost::interprocess::managed_shared_memory, as it comes: best fit out of a red-black tree, under
// a mutex that processes share.
class BoostHeapSubject : public HeapSubject {
 public:
  std::string name() const override { return "boost_interprocess"; }
  absl::Status CheckAvailable(const HeapNeed& need) override;
  absl::StatusOr<std::unique_ptr<BenchHeap>> Make(const HeapNeed& need) override;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_BOOST_HEAP_H_
