// SPDX-License-Identifier: Apache-2.0
#include "memory/region.h"

#include <sys/mman.h>

#include <cerrno>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "os/status.h"
#include "os/syscall.h"
#include "os/system.h"

namespace uarena {
namespace {

// Where RandomBase looks. AddressSanitizer's shadow ends at 0x1000'7fff'8000; ThreadSanitizer
// leaves only the first 512 GiB and the top of the address space to the program.
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kLowestBase = 0x0010'0000'0000;
constexpr uint64_t kHighestEnd = 0x0070'0000'0000;
#else
constexpr uint64_t kLowestBase = 0x2000'0000'0000;
constexpr uint64_t kHighestEnd = 0x5000'0000'0000;
#endif

constexpr int kPlacementTries = 64;

intptr_t TryReserve(uint64_t base, uint64_t bytes) {
  return sys::Mmap(reinterpret_cast<void*>(base - kGuardBytes), bytes + 2 * kGuardBytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

}  // namespace

absl::Status CheckPlacement(uint64_t base, uint64_t bytes, uint64_t page_size) {
  if (base == 0) return absl::OkStatus();
  if (base % page_size != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "user_vm_start 0x%x is not a multiple of the page size %d", base, page_size));
  }
  if (base < kGuardBytes + page_size || base + bytes + kGuardBytes < base ||
      base + bytes + kGuardBytes > uint64_t{1} << 47) {
    return absl::OutOfRangeError(absl::StrFormat(
        "user_vm_start 0x%x with %d bytes and its guards does not fit into the address space", base,
        bytes));
  }
  if (bytes <= k4GiB && (base >> 32) != ((base + bytes - 1) >> 32)) {
    return absl::OutOfRangeError(absl::StrFormat(
        "user_vm_start 0x%x with %d bytes crosses a 4 GiB boundary; choose a start for which the "
        "low 32 bits of all pointers differ, such as 0x%x",
        base, bytes, base & ~(k4GiB - 1)));
  }
  return absl::OkStatus();
}

uint64_t RandomBase(uint64_t bytes) {
  const uint64_t slots = (kHighestEnd - kLowestBase) / k4GiB;
  const uint64_t needed = (bytes + 2 * k4GiB - 1) / k4GiB;
  if (needed >= slots) return kLowestBase;
  std::random_device entropy;
  std::uniform_int_distribution<uint64_t> slot(0, slots - needed);
  return kLowestBase + slot(entropy) * k4GiB;
}

absl::StatusOr<Region> Region::Reserve(uint64_t base, uint64_t bytes, uint64_t page_size) {
  UARENA_RETURN_IF_ERROR(CheckPlacement(base, bytes, page_size));
  intptr_t result = -ENOMEM;
  if (base != 0) {
    result = TryReserve(base, bytes);
    if (result == -EEXIST) {
      const std::string line = DescribeMapping(base - kGuardBytes, bytes + 2 * kGuardBytes);
      return absl::AlreadyExistsError(absl::StrFormat(
          "user_vm_start 0x%x: %d bytes and their guards overlap a mapping of this process: %s",
          base, bytes, line.empty() ? "(gone by now)" : line));
    }
  } else {
    for (int i = 0; i < kPlacementTries; ++i) {
      base = RandomBase(bytes);
      result = TryReserve(base, bytes);
      if (result != -EEXIST) break;
    }
    if (result == -EEXIST) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("no room for an arena of %d bytes between 0x%x and 0x%x", bytes,
                          kLowestBase, kHighestEnd));
    }
  }
  if (result < 0 && result > -4096) {
    return ErrnoStatus(static_cast<int>(result),
                       absl::StrCat("reserving ", bytes, " bytes of address space"),
                       "max_pages may be too large for this machine, or RLIMIT_AS too small");
  }
  if (static_cast<uint64_t>(result) != base - kGuardBytes) {
    // A kernel older than 4.17 takes MAP_FIXED_NOREPLACE as a hint.
    sys::Munmap(reinterpret_cast<void*>(result), bytes + 2 * kGuardBytes);
    return absl::AlreadyExistsError(absl::StrFormat(
        "user_vm_start 0x%x: the kernel would not place %d bytes there", base, bytes));
  }
  return Region(base, bytes);
}

absl::Status Region::MapBacking(int fd) {
  // NORESERVE: hugetlb would otherwise set aside pool pages for the whole arena.
  const intptr_t result = sys::Mmap(reinterpret_cast<void*>(base_), bytes_, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
  if (result < 0 && result > -4096) {
    return ErrnoStatus(static_cast<int>(result),
                       absl::StrFormat("mapping the arena at 0x%x", base_));
  }
  return absl::OkStatus();
}

Region::Region(Region&& other) noexcept
    : base_(std::exchange(other.base_, 0)), bytes_(std::exchange(other.bytes_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
  if (this != &other) {
    Release();
    base_ = std::exchange(other.base_, 0);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Region::~Region() { Release(); }

void Region::Release() {
  if (base_ != 0) {
    sys::Munmap(reinterpret_cast<void*>(base_ - kGuardBytes), bytes_ + 2 * kGuardBytes);
  }
}

}  // namespace uarena
