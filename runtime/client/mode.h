// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_CLIENT_MODE_H_
#define UARENA_CLIENT_MODE_H_

#include <string>

#include "absl/status/statusor.h"
#include "os/fd.h"
#include "pages/control.h"
#include "uarena/options.h"

namespace uarena {

// The fault mode that a process uses for an arena, and its uffd, registered over the whole region;
// none in kernel mode.
struct OpenedMode {
  FaultMode mode = FaultMode::kKernel;
  std::string reason;
  UniqueFd uffd;
};

// Picks for kAuto; otherwise takes what is wanted or says why not. Errors: FailedPrecondition,
// InvalidArgument (served without a daemon).
absl::StatusOr<OpenedMode> OpenMode(FaultMode wanted, const ArenaDescription& description,
                                    bool has_daemon);

}  // namespace uarena

#endif  // UARENA_CLIENT_MODE_H_
