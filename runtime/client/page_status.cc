// SPDX-License-Identifier: Apache-2.0
#include "client/page_status.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "pages/counters.h"
#include "pages/layout.h"

namespace uarena {

absl::Status PageStatus(int error, const std::string& request, const Control& control) {
  switch (-error) {
    case 0:
      return absl::OkStatus();
    case EEXIST:
      return absl::AlreadyExistsError(absl::StrCat(
          request,
          ": a page of the range is allocated or reserved already; free it first, or choose other "
          "pages (AllocPages with a null addr does)"));
    case ENOSPC:
      return absl::ResourceExhaustedError(absl::StrCat(request, ": no run of so many free pages; ",
                                                       CountPages(control).free, " of ",
                                                       control.max_pages(), " pages are free"));
    case EDQUOT:
      return absl::ResourceExhaustedError(
          absl::StrCat(request, ": beyond the arena's quota of ", control.description().quota_pages,
                       " pages, of which ", CountPages(control).allocated, " are allocated"));
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::StrCat(request, ": out of memory",
                       control.description().geometry.huge
                           ? "; the pool of 2 MiB pages is empty: raise vm.nr_hugepages"
                           : ": free pages, or raise the memory limit"));
    case E2BIG:
      return absl::ResourceExhaustedError(
          absl::StrCat(request, ": more pages than this machine has memory for"));
    case EALREADY:
      return absl::FailedPreconditionError(
          absl::StrCat(request, ": every page of the range is free already (a double free?)"));
    case EUSERS:
      return absl::ResourceExhaustedError(absl::StrCat(request, ": ", kMaxOperations - 1,
                                                       " calls are running in this arena at once"));
    case EACCES:
      return absl::FailedPreconditionError(absl::StrCat(
          request,
          ": a page of the range is not allocated, and segv_on_fault forbids touching it"));
    case EUCLEAN:
      return absl::DataLossError(absl::StrCat(request, ": the arena's control memory is damaged"));
    default:
      return ErrnoStatus(error, request);
  }
}

absl::Status NoRoot(std::string_view name) {
  return absl::NotFoundError(absl::StrCat("there is no root \"", std::string(name), "\""));
}

absl::Status RootIsBusy(std::string_view name) {
  return absl::FailedPreconditionError(absl::StrCat(
      "root \"", std::string(name), "\" is being constructed; FindOrConstruct waits until it is"));
}

absl::Status SetRootStatus(int error, std::string_view name, const Control& control) {
  if (error == -EBUSY) return RootIsBusy(name);
  if (error == -ENOSPC) {
    return absl::ResourceExhaustedError(absl::StrCat("root \"", std::string(name), "\": all ",
                                                     kMaxRoots, " roots of the arena are in use"));
  }
  return PageStatus(error, absl::StrCat("SetRoot(\"", std::string(name), "\")"), control);
}

absl::Status RefuseReadOnly(const char* call) {
  return absl::FailedPreconditionError(
      absl::StrCat(call,
                   ": this handle was opened with read_only, and cannot change the arena or "
                   "see its control memory; open it without"));
}

}  // namespace uarena
