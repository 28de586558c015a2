// SPDX-License-Identifier: Apache-2.0
//
// The thread engine: reads fault messages of one uffd in batches and resolves them.
#ifndef UARENA_FAULT_HANDLER_THREAD_H_
#define UARENA_FAULT_HANDLER_THREAD_H_

#include <cstdint>
#include <functional>

#include "fault/resolver.h"
#include "memory/geometry.h"
#include "os/background_thread.h"

namespace uarena {

// How a batch of messages was answered.
struct BatchResult {
  int messages = 0;         // 0: there was nothing to read
  uint64_t arrived_ns = 0;  // when they were read
  bool gone = false;        // the address space is gone
};

// Reads up to 64 messages from `uffd`, which must not block, plans ranges and resolves them.
// `refuse` is called for every thread whose touch is refused.
BatchResult ServeFaults(int uffd, const Geometry& geometry, Resolver& resolver,
                        const std::function<void(int tid, uint64_t address)>& refuse);

// Serves `uffd` from a thread of its own until destroyed. Everything passed in must outlive it.
class HandlerThread {
 public:
  HandlerThread(int uffd, const Geometry& geometry, Resolver* resolver);
  void AbandonInChild() { thread_.AbandonInChild(); }

 private:
  BackgroundThread thread_;
};

}  // namespace uarena

#endif  // UARENA_FAULT_HANDLER_THREAD_H_
