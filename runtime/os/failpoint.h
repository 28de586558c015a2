// SPDX-License-Identifier: Apache-2.0
//
// Named points at which a test kills or stops the process, to prove what the runtime promises about
// it. Compiled in with -DUARENA_FAILPOINTS=ON; otherwise nothing.
#ifndef UARENA_OS_FAILPOINT_H_
#define UARENA_OS_FAILPOINT_H_

#if defined(UARENA_FAILPOINTS)

#include <atomic>

namespace uarena {
// Called at each point with its name, if set. Runs in signal handlers too.
inline std::atomic<void (*)(const char*)> g_failpoint_hook{nullptr};
}  // namespace uarena

#define UARENA_FAILPOINT(name)                                                                    \
  do {                                                                                            \
    if (auto* hook = ::uarena::g_failpoint_hook.load(std::memory_order_relaxed); hook != nullptr) \
      hook(name);                                                                                 \
  } while (false)

#else
#define UARENA_FAILPOINT(name) \
  do {                         \
  } while (false)
#endif

#endif  // UARENA_OS_FAILPOINT_H_
