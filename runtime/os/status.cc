// SPDX-License-Identifier: Apache-2.0
#include "os/status.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace uarena {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EINVAL:
      return absl::StatusCode::kInvalidArgument;
    case EEXIST:
    case EBUSY:
      return absl::StatusCode::kAlreadyExists;
    case ENOMEM:
    case ENOSPC:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case EPERM:
    case EACCES:
      return absl::StatusCode::kPermissionDenied;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoStatus(int error, absl::string_view what, absl::string_view hint) {
  if (error < 0) error = -error;
  std::string message = absl::StrCat(what, ": ", strerror(error));
  if (error == EMFILE) hint = "raise RLIMIT_NOFILE (ulimit -n)";
  if (!hint.empty()) absl::StrAppend(&message, "; ", hint);
  return absl::Status(CodeOf(error), message);
}

}  // namespace uarena
