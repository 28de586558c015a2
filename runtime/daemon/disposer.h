// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_DISPOSER_H_
#define UARENA_DAEMON_DISPOSER_H_

#include <functional>

namespace uarena {

// Runs `action` soon, on a thread that does nothing else: for what may take long because a client
// has made it large, such as giving back the memory of an arena. Thread-safe.
void DisposeLater(std::function<void()> action);

}  // namespace uarena

#endif  // UARENA_DAEMON_DISPOSER_H_
