// SPDX-License-Identifier: Apache-2.0
//
// What the layers below answer, as the statuses that users see.
#ifndef UARENA_CLIENT_PAGE_STATUS_H_
#define UARENA_CLIENT_PAGE_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "pages/control.h"

namespace uarena {

// `error` is 0 or -errno, `request` describes the call: "AllocPages(nullptr, 5)".
absl::Status PageStatus(int error, const std::string& request, const Control& control);

// Of SetRoot, where the table may be full as well.
absl::Status SetRootStatus(int error, std::string_view name, const Control& control);
absl::Status NoRoot(std::string_view name);
absl::Status RootIsBusy(std::string_view name);

absl::Status RefuseReadOnly(const char* call);

}  // namespace uarena

#endif  // UARENA_CLIENT_PAGE_STATUS_H_
