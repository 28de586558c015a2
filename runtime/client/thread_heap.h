// SPDX-License-Identifier: Apache-2.0
//
// Which cache the calling thread allocates from.
#ifndef UARENA_CLIENT_THREAD_HEAP_H_
#define UARENA_CLIENT_THREAD_HEAP_H_

#include "heap/thread_cache.h"
#include "uarena/heap.h"

namespace uarena {

// For its lifetime the calling thread allocates from another cache of the heap: `apart`, or with
// null its own.
class UsingCache {
 public:
  UsingCache(Heap heap, ThreadCache* apart);
  ~UsingCache();
  UsingCache(const UsingCache&) = delete;
  UsingCache& operator=(const UsingCache&) = delete;

  // The thread's own.
  ThreadCache* own() const { return own_; }

 private:
  void* base_;
  ThreadCache* own_ = nullptr;
  ThreadCache* before_ = nullptr;
};

}  // namespace uarena

#endif  // UARENA_CLIENT_THREAD_HEAP_H_
