// SPDX-License-Identifier: Apache-2.0
//
// Which attached arena an address belongs to, for code that is given nothing but a pointer.
#ifndef UARENA_CLIENT_ATTACHED_H_
#define UARENA_CLIENT_ATTACHED_H_

#include <atomic>
#include <cstdint>
#include <optional>

namespace uarena {

class ArenaImpl;

struct Attached {
  uint64_t base = 0;
  uint64_t bytes = 0;
  ArenaImpl* arena = nullptr;
  uint32_t owner_id = 0;  // this process's in the arena; 0: attached for reading only
};

// The arena attached in this process that contains `address`. What it says holds until the arena is
// detached or the process forks. Lock-free and async-signal-safe; a few ns for each arena that is
// attached, so callers in a hurry cache the answer for each thread, with the epoch before it.
std::optional<Attached> FindAttached(const void* address);

// Counts on whenever an answer of FindAttached may change: on attaching, on detaching, and in a
// forked child. Never 0.
std::atomic<uint64_t>& AttachEpoch();

// All under AttachMutex. An arena is added when it works; Remove of one that was not is harmless.
void AddAttached(ArenaImpl* arena);
void RemoveAttached(ArenaImpl* arena);

}  // namespace uarena

#endif  // UARENA_CLIENT_ATTACHED_H_
