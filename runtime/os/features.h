// SPDX-License-Identifier: Apache-2.0
//
// What this kernel, in this sandbox, allows. Asked once, by trying.
#ifndef UARENA_OS_FEATURES_H_
#define UARENA_OS_FEATURES_H_

#include <string>

#include "uarena/arena.h"
#include "uarena/options.h"

namespace uarena {

struct UffdAbility {
  bool available = false;      // can be opened, and knows shared memory
  bool kernel_faults = false;  // sees faults of system calls too
  bool sigbus = false;
  bool thread_id = false;
  bool shmem = false;
  std::string reason;
};
const UffdAbility& Uffd();

// What FaultMode::kAuto means here, and why.
FaultMode PickMode(std::string* reason);

}  // namespace uarena

#endif  // UARENA_OS_FEATURES_H_
