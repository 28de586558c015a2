// SPDX-License-Identifier: Apache-2.0
#include "client/mode.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "os/features.h"
#include "os/status.h"
#include "os/syscall.h"
#include "os/uffd_abi.h"

namespace uarena {
namespace {

std::string Name(FaultMode mode) { return std::string(FaultModeName(mode)); }

absl::Status Refuse(FaultMode mode, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat("fault_mode ", Name(mode), ": ", why));
}

absl::StatusOr<OpenedMode> KernelMode(const ArenaDescription& description,
                                      const std::string& reason) {
  if (description.segv_on_fault) {
    return absl::FailedPreconditionError(
        absl::StrCat("segv_on_fault needs userfaultfd, which is not used here (", reason,
                     "); create the arena without it, or allow userfaultfd"));
  }
  return OpenedMode{FaultMode::kKernel, absl::StrCat("kernel: ", reason), UniqueFd()};
}

}  // namespace

absl::StatusOr<OpenedMode> OpenMode(FaultMode wanted, const ArenaDescription& description,
                                    bool has_daemon) {
  std::string reason;
  FaultMode mode = wanted;
  if (wanted > FaultMode::kKernel) {
    return absl::InvalidArgumentError(
        absl::StrCat("fault_mode ", static_cast<int>(wanted), " is none of the FaultMode values"));
  }
  if (wanted == FaultMode::kAuto) {
    mode = PickMode(&reason);
  } else if (wanted == FaultMode::kKernel) {
    reason = "asked for";
  }
  if (mode == FaultMode::kServed && !has_daemon) {
    return absl::InvalidArgumentError(
        "fault_mode served: only an arena opened by name has a daemon to serve it; use "
        "Arena::Open");
  }
  if (mode == FaultMode::kKernel) return KernelMode(description, reason);

  const UffdAbility& ability = Uffd();
  const Geometry& geometry = description.geometry;
  if (!ability.available) return Refuse(mode, ability.reason);
  if (mode == FaultMode::kInPlace && !ability.sigbus) {
    return Refuse(mode, "this kernel's userfaultfd has no UFFD_FEATURE_SIGBUS");
  }
  uint64_t features = geometry.huge ? UFFD_FEATURE_MISSING_HUGETLBFS : UFFD_FEATURE_MISSING_SHMEM;
  features |= mode == FaultMode::kInPlace ? UFFD_FEATURE_SIGBUS : UFFD_FEATURE_THREAD_ID;
  // A system call whose touch is refused would retry for ever, since no signal can end it; where
  // touches may be refused, system calls get EFAULT instead.
  bool kernel_faults =
      mode != FaultMode::kInPlace && !description.segv_on_fault && description.quota_pages == 0;
  OpenedMode opened{mode, "", UniqueFd(sys::Userfaultfd(features, &kernel_faults))};
  int error = opened.uffd.get();
  if (opened.uffd.valid()) {
    error = sys::UffdRegisterMissing(opened.uffd.get(), geometry.base, geometry.bytes());
  }
  if (error < 0) {
    const absl::Status status = ErrnoStatus(error, "setting up userfaultfd");
    const std::string message(status.message().data(), status.message().size());
    if (wanted == FaultMode::kAuto) return KernelMode(description, message);
    return Refuse(mode, message);
  }
  opened.reason = absl::StrCat(Name(mode), ": ", wanted == FaultMode::kAuto ? reason : "asked for",
                               kernel_faults ? ", system calls' faults too" : "");
  return opened;
}

}  // namespace uarena
