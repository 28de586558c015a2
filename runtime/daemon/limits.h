// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_LIMITS_H_
#define UARENA_DAEMON_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace uarena {

// What one user other than root may have at a time.
struct Limits {
  size_t arenas = 256;
  size_t connections = 1024;
  // Sizes of the arenas, added up: no more memory than that can ever be in them, since their memfds
  // are sealed against growing.
  uint64_t bytes = uint64_t{64} << 40;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_LIMITS_H_
