// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_PAGES_CHECK_H_
#define UARENA_PAGES_CHECK_H_

#include "absl/status/status.h"
#include "pages/control.h"

namespace uarena {

// Proves the invariants of a quiet arena: the free ranges are disjoint, maximal and indexed as
// free_ranges.h says; every other page is allocated, reserved or ahead; counters agree with both;
// no operation of a living or dead process is half done. Errors: DataLoss with what is wrong first.
absl::Status CheckInvariants(const Control& control, uint32_t process_slot);

}  // namespace uarena

#endif  // UARENA_PAGES_CHECK_H_
