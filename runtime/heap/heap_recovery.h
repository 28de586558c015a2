// SPDX-License-Identifier: Apache-2.0
//
// What happens to the spans of a process that died.
#ifndef UARENA_HEAP_HEAP_RECOVERY_H_
#define UARENA_HEAP_HEAP_RECOVERY_H_

#include <cstdint>

#include "pages/steps.h"

namespace uarena {

// Gives the spans of the process's caches to whoever wants them, or their pages back if no block in
// them is in use; and throws away what was allocated apart, for an object that was never finished.
// Repeatable: a recovery that dies as well is continued by the next. A RecoverHeapFunction;
// async-signal-safe.
void RecoverHeap(const PageContext& context, uint32_t operation, uint32_t process_slot);

}  // namespace uarena

#endif  // UARENA_HEAP_HEAP_RECOVERY_H_
