// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/subject.h"

#include "bench/support/child_processes.h"
#include "bench/support/touch.h"

namespace uarena::bench {

absl::Status Memory::TouchExisting(uint64_t pages, size_t page_size, const Toucher& touch) {
  for (uint64_t page = 0; page < pages; ++page) WritePrior(base(), page, page_size);
  return RunInChildren(1, [&](int /*child*/) {
    touch(base(), true);
    return absl::OkStatus();
  });
}

}  // namespace uarena::bench
