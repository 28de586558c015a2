// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_CLIENT_FORK_H_
#define UARENA_CLIENT_FORK_H_

#include <cstdint>
#include <functional>
#include <mutex>

namespace uarena {

class ArenaImpl;

// Attaching and detaching happen under this mutex; fork waits for it, so that a child never
// inherits a half-attached arena or a handler table that is being changed.
std::mutex& AttachMutex();

// From now on a forked child gets a working copy of the arena. Both under AttachMutex.
void TrackForFork(ArenaImpl* arena);
void UntrackForFork(ArenaImpl* arena);

// Calls visit(arena) for each arena that is tracked, under AttachMutex.
void ForEachArena(const std::function<void(ArenaImpl&)>& visit);

// Whether this process has an arena at `base` attached.
bool AttachedAt(uint64_t base);

}  // namespace uarena

#endif  // UARENA_CLIENT_FORK_H_
