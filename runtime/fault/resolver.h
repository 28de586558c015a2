// SPDX-License-Identifier: Apache-2.0
//
// The one resolver behind every fault mode: from "page p was touched" to "it is mapped", or "it may
// not be".
#ifndef UARENA_FAULT_RESOLVER_H_
#define UARENA_FAULT_RESOLVER_H_

#include <cstdint>

#include "fault/window.h"
#include "pages/allocator.h"
#include "uarena/stats.h"

namespace uarena {

enum class Resolution {
  kMapped,
  kRefused,  // the toucher gets SIGSEGV: not allocated, quota, or no memory
  kGone,     // the address space that faulted is gone
};

// Thread-safe and async-signal-safe.
class Resolver {
 public:
  // `stats_slot` is the process whose faults these are: they are counted in its record of the
  // arena, where others can read it.
  Resolver(const Allocator& allocator, uint32_t stats_slot);

  // Resolves a touch of [page, page + touched). Waiters for mapped pages are woken.
  Resolution Resolve(uint64_t page, uint64_t touched);

  const Allocator& allocator() const { return allocator_; }

 private:
  Resolution ResolveSome(uint64_t page, uint64_t touched, uint64_t* mapped);
  void Count(uint64_t mapped, uint64_t nanoseconds);

  Allocator allocator_;
  const uint32_t stats_slot_;
  ProcessRecord& stats_;
  const uint32_t max_populate_pages_;
  Streams streams_;
};

// The counters of a process record.
FaultStats ReadFaultStats(const ProcessRecord& record);

}  // namespace uarena

#endif  // UARENA_FAULT_RESOLVER_H_
