// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_OS_STATUS_H_
#define UARENA_OS_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace uarena {

// The one place where an errno becomes a status. `error` is errno or -errno; `what` says what was
// attempted; `hint`, if any, what to do about it.
absl::Status ErrnoStatus(int error, absl::string_view what, absl::string_view hint = "");

}  // namespace uarena

// Returns from the enclosing function when `expression` is not OK.
#define UARENA_RETURN_IF_ERROR(expression)                                                    \
  do {                                                                                        \
    if (absl::Status uarena_status = (expression); !uarena_status.ok()) return uarena_status; \
  } while (false)

#endif  // UARENA_OS_STATUS_H_
