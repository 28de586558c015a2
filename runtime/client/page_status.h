// SPDX-License-Identifier: Apache-2.0
//
// What the layers below answer, as the statuses that users see.
#ifndef UARENA_CLIENT_PAGE_STATUS_H_
#define UARENA_CLIENT_PAGE_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "pages/control.h"

namespace uarena {

// `error` is 0 or -errno, `request` describes the call: "AllocPages(nullptr, 5)".
absl::Status PageStatus(int error, const std::string& request, const Control& control);

absl::Status RefuseReadOnly(const char* call);

}  // namespace uarena

#endif  // UARENA_CLIENT_PAGE_STATUS_H_
