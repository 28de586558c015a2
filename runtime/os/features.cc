// SPDX-License-Identifier: Apache-2.0
#include "os/features.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "os/fd.h"
#include "os/syscall.h"
#include "os/system.h"
#include "os/uffd_abi.h"

namespace uarena {
namespace {

// valgrind emulates neither userfaultfd's ioctls nor signals at the faulting instruction well
// enough; it is known by what it preloads.
bool UnderValgrind() {
  const char* preload = getenv("LD_PRELOAD");
  return preload != nullptr &&
         (absl::StrContains(preload, "/vgpreload_") || absl::StrContains(preload, "/valgrind/"));
}

bool IoUringAllowed() {
  io_uring_params params{};
  const UniqueFd ring(static_cast<int>(syscall(SYS_io_uring_setup, 1, &params)));
  return ring.valid();
}

UffdAbility ProbeUffd() {
  UffdAbility ability;
  if (UnderValgrind()) {
    ability.reason = "running under valgrind";
    return ability;
  }
  uint64_t features = 0;
  const int result = sys::UffdFeatures(&features);
  if (result < 0) {
    ability.reason = absl::StrCat("userfaultfd: ", strerror(-result),
                                  result == -EPERM || result == -EACCES
                                      ? " (a seccomp filter, or vm.unprivileged_userfaultfd)"
                                      : "");
    return ability;
  }
  ability.available = true;
  ability.sigbus = (features & UFFD_FEATURE_SIGBUS) != 0;
  ability.thread_id = (features & UFFD_FEATURE_THREAD_ID) != 0;
  ability.shmem = (features & UFFD_FEATURE_MISSING_SHMEM) != 0;
  bool kernel_faults = true;
  const UniqueFd uffd(sys::Userfaultfd(0, &kernel_faults));
  ability.kernel_faults = uffd.valid() && kernel_faults;
  ability.reason = ability.kernel_faults ? "full userfaultfd" : "userfaultfd for user mode only";
  if (!ability.shmem) {
    ability.available = false;
    ability.reason = "this kernel's userfaultfd does not know shared memory";
  }
  return ability;
}

}  // namespace

const UffdAbility& Uffd() {
  static const UffdAbility ability = ProbeUffd();
  return ability;
}

KernelAbilities ProbeKernel() {
  KernelAbilities abilities;
  const UffdAbility& uffd = Uffd();
  abilities.userfaultfd = uffd.available;
  abilities.userfaultfd_kernel_faults = uffd.kernel_faults;
  abilities.sigbus = uffd.sigbus;
  abilities.userfaultfd_reason = uffd.reason;
  abilities.io_uring = IoUringAllowed();
  const UniqueFd memfd(sys::MemfdCreate("uarena-probe", false));
  abilities.memfd_sealing = memfd.valid() && sys::AddSeals(memfd.get(), F_SEAL_SHRINK) == 0;
  abilities.huge_2mib_pages = FreeHugePages();
  abilities.page_size = SystemPageSize();
  utsname name{};
  if (uname(&name) == 0) abilities.kernel = name.release;
  abilities.picked = PickMode(&abilities.picked_reason);
  return abilities;
}

FaultMode PickMode(std::string* reason) {
  const UffdAbility& uffd = Uffd();
  if (uffd.available && uffd.sigbus) {
    *reason = absl::StrCat(uffd.reason, " with UFFD_FEATURE_SIGBUS");
    return FaultMode::kInPlace;
  }
  if (uffd.available) {
    *reason = absl::StrCat(uffd.reason, " without UFFD_FEATURE_SIGBUS");
    return FaultMode::kThread;
  }
  *reason = uffd.reason;
  return FaultMode::kKernel;
}

std::string_view FaultModeName(FaultMode mode) {
  switch (mode) {
    case FaultMode::kAuto:
      return "auto";
    case FaultMode::kInPlace:
      return "in-place";
    case FaultMode::kThread:
      return "thread";
    case FaultMode::kServed:
      return "served";
    case FaultMode::kKernel:
      return "kernel";
  }
  return "unknown";
}

}  // namespace uarena
