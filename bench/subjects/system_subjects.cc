// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/system_subjects.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "bench/subjects/huge_page_pool.h"

namespace uarena::bench {
namespace {

// MFD_HUGETLB | MFD_HUGE_2MB; older headers lack the latter.
constexpr unsigned int kHugetlb2MiB = MFD_HUGETLB | 21U << 26;

class Mapping : public Memory {
 public:
  Mapping(void* base, uint64_t bytes) : base_(base), bytes_(bytes) {}
  ~Mapping() override { munmap(base_, bytes_); }
  char* base() override { return static_cast<char*>(base_); }

 private:
  void* const base_;
  const uint64_t bytes_;
};

absl::Status CheckNoAllocator(const Need& need) {
  return need.allocates ? absl::UnimplementedError("has no allocator of pages") : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> MapMemfd(uint64_t bytes, unsigned int flags) {
  const int fd = memfd_create("uarena-bench", MFD_CLOEXEC | flags);
  if (fd < 0) return absl::ErrnoToStatus(errno, "memfd_create");
  absl::StatusOr<std::unique_ptr<Memory>> memory;
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    memory = absl::ErrnoToStatus(errno, "sizing a memfd");
  } else {
    memory = MapMemory(bytes, MAP_SHARED, fd);
  }
  close(fd);
  return memory;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Memory>> MapMemory(uint64_t bytes, int flags, int fd) {
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
  return std::make_unique<Mapping>(base, bytes);
}

absl::StatusOr<std::unique_ptr<Memory>> MapAnonymous(uint64_t bytes) {
  absl::StatusOr<std::unique_ptr<Memory>> memory =
      MapMemory(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  // EINVAL: a kernel without transparent huge pages, which is what we want.
  if (memory.ok() && madvise((*memory)->base(), bytes, MADV_NOHUGEPAGE) != 0 && errno != EINVAL) {
    return absl::ErrnoToStatus(errno, "madvise(MADV_NOHUGEPAGE)");
  }
  return memory;
}

absl::Status CheckPrivate(const Need& need) {
  if (need.touch_existing) {
    return absl::UnimplementedError("private memory cannot be shared with a second process");
  }
  return CheckNoAllocator(need);
}

absl::Status MemfdSubject::CheckAvailable(const Need& need) { return CheckNoAllocator(need); }

absl::StatusOr<std::unique_ptr<Memory>> MemfdSubject::Map(const Need& need) {
  return MapMemfd(need.span_bytes, 0);
}

absl::Status HugetlbSubject::CheckAvailable(const Need& need) {
  if (absl::Status status = CheckNoAllocator(need); !status.ok()) return status;
  return CheckHugePages(need.touched_2mib);
}

absl::StatusOr<std::unique_ptr<Memory>> HugetlbSubject::Map(const Need& need) {
  return MapMemfd(need.span_bytes, kHugetlb2MiB);
}

}  // namespace uarena::bench
