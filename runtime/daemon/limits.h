// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_LIMITS_H_
#define UARENA_DAEMON_LIMITS_H_

#include <cstddef>

namespace uarena {

// What one user other than root may have at a time.
struct Limits {
  size_t arenas = 256;
  size_t connections = 1024;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_LIMITS_H_
