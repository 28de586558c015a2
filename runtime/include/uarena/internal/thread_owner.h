// SPDX-License-Identifier: Apache-2.0
//
// Not part of the interface: what the fast paths of the public headers need to know about who they
// run for.
#ifndef UARENA_INTERNAL_THREAD_OWNER_H_
#define UARENA_INTERNAL_THREAD_OWNER_H_

#include <atomic>
#include <cstdint>

#include "absl/base/attributes.h"

namespace uarena::internal {

// A thread that works on an arena, named for every process that has it: the process's owner id in
// that arena in the low 32 bits, the kernel's id of the thread in the high ones. 0 is nobody.
using ThreadOwner = uint64_t;
inline constexpr uint64_t kOwnerIdMask = (1u << 30) - 1;
inline constexpr uint64_t kNoOwner = (1u << 11) - 1;  // an owner id that no process ever has

// The arena in which the thread looked last. Only its own thread uses it, and the signal handlers
// that interrupt it: hence the count of changes, which is odd during one.
struct ThreadOwnerCache {
  std::atomic<uint64_t> epoch;  // 0: empty
  std::atomic<uint64_t> base;
  std::atomic<uint64_t> bytes;
  std::atomic<ThreadOwner> self;
  std::atomic<uint32_t> changes;
};
extern constinit thread_local ThreadOwnerCache t_owner;

// What is cached of another epoch is worth nothing: see AttachEpoch in client/attached.h.
extern constinit std::atomic<uint64_t> g_attach_epoch;

// Who the calling thread is in the arena that contains `address`; 0 if none does that is attached
// for writing. Async-signal-safe.
ThreadOwner FindThreadOwner(const void* address);

// The same if it is in the cache, else 0. Not checked by UndefinedBehaviorSanitizer: whether the
// address of a thread-local variable is null, GCC reads from flags that the linker's relaxation of
// the instruction no longer sets.
ABSL_ATTRIBUTE_NO_SANITIZE_UNDEFINED inline ThreadOwner CachedThreadOwner(const void* address) {
  const ThreadOwnerCache& cache = t_owner;
  const uint32_t changes = cache.changes.load(std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  const bool here =
      cache.epoch.load(std::memory_order_relaxed) ==
          g_attach_epoch.load(std::memory_order_relaxed) &&
      reinterpret_cast<uint64_t>(address) - cache.base.load(std::memory_order_relaxed) <
          cache.bytes.load(std::memory_order_relaxed);
  const ThreadOwner self = cache.self.load(std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return here && cache.changes.load(std::memory_order_relaxed) == changes ? self : 0;
}

}  // namespace uarena::internal

#endif  // UARENA_INTERNAL_THREAD_OWNER_H_
