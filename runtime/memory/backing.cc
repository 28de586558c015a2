// SPDX-License-Identifier: Apache-2.0
#include "memory/backing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "os/syscall.h"

namespace uarena {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

absl::StatusOr<UniqueFd> CreateBacking(const char* name, uint64_t bytes, bool huge) {
  UniqueFd fd(sys::MemfdCreate(name, huge));
  if (!fd.valid()) {
    return ErrnoStatus(fd.get(), huge ? "memfd_create with 2 MiB pages" : "memfd_create",
                       huge ? "does this kernel have hugetlbfs?" : "");
  }
  // Only who may act as the owner can reopen the memfd through /proc.
  fchmod(fd.get(), 0600);
  if (const int result = sys::Ftruncate(fd.get(), bytes); result < 0) {
    return ErrnoStatus(result, absl::StrCat("sizing a memfd to ", bytes, " bytes"),
                       result == -EFBIG ? "raise RLIMIT_FSIZE (ulimit -f)" : "");
  }
  if (const int result = sys::AddSeals(fd.get(), kSeals); result < 0) {
    return ErrnoStatus(result, "sealing a memfd");
  }
  return fd;
}

absl::StatusOr<uint64_t> CheckBacking(int fd) {
  const int seals = sys::GetSeals(fd);
  if (seals < 0) return absl::InvalidArgumentError("a received descriptor is not a memfd");
  if ((seals & F_SEAL_SHRINK) == 0) {
    return absl::InvalidArgumentError("a received memfd is not sealed against shrinking");
  }
  struct stat status {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "fstat of a received memfd");
  return static_cast<uint64_t>(status.st_size);
}

absl::StatusOr<uint64_t> ResidentPages(int fd, uint64_t page_size) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "fstat of the data memfd");
  return static_cast<uint64_t>(status.st_blocks) * 512 / page_size;
}

}  // namespace uarena
