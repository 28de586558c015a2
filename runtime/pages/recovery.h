// SPDX-License-Identifier: Apache-2.0
//
// Completes or undoes what dead processes left half done; see the table in runtime/README.md.
#ifndef UARENA_PAGES_RECOVERY_H_
#define UARENA_PAGES_RECOVERY_H_

#include <cstdint>

#include "pages/control.h"
#include "pages/steps.h"

namespace uarena {

// Looks at every attached process; recovers the dead. Returns how many there were, or -errno.
// Safe to run in several processes at once: a dead process's lock goes to one of them, and on if
// that one dies. Async-signal-safe.
int RecoverDeadProcesses(const Control& control, const PageContext& context);

// The same before the data memfd is at hand: only processes that hold no operation are recovered.
int RecoverDeadProcesses(const Control& control);

// In a forked child: lets go of the lock that a recovery held which was under way in the parent.
void AbandonRecoveryAfterFork();

// How many processes are attached and alive.
uint32_t CountProcesses(const Control& control);

}  // namespace uarena

#endif  // UARENA_PAGES_RECOVERY_H_
