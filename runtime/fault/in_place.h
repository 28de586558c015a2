// SPDX-License-Identifier: Apache-2.0
//
// The in-place engine: the touching thread resolves its own fault, in a SIGBUS handler.
#ifndef UARENA_FAULT_IN_PLACE_H_
#define UARENA_FAULT_IN_PLACE_H_

#include <signal.h>

#include "fault/resolver.h"
#include "memory/geometry.h"

namespace uarena {

// From now on SIGBUS at an address of the arena goes to `resolver`, which must stay alive until
// Unregister. Installs the handler with the first arena. False: 1,024 arenas are registered.
bool RegisterInPlace(const Geometry& geometry, Resolver* resolver);
void UnregisterInPlace(Resolver* resolver);

// Resolves the fault if it is an arena's. Async-signal-safe.
bool ResolveSigbus(siginfo_t* info, void* context);

// Makes the touching thread `tid` receive SIGSEGV for `address`, as if the kernel had refused the
// access.
void QueueSegv(int tid, uint64_t address);

}  // namespace uarena

#endif  // UARENA_FAULT_IN_PLACE_H_
