// SPDX-License-Identifier: Apache-2.0
#include "bench/system_subjects.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "absl/memory/memory.h"

namespace uarena::bench {
namespace {

class Mapping : public Memory {
 public:
  static absl::StatusOr<std::unique_ptr<Memory>> Make(uint64_t bytes, int flags, int fd) {
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
    return absl::WrapUnique<Memory>(new Mapping(base, bytes));
  }
  ~Mapping() override { munmap(base_, bytes_); }
  char* base() override { return static_cast<char*>(base_); }

 private:
  Mapping(void* base, uint64_t bytes) : base_(base), bytes_(bytes) {}

  void* const base_;
  const uint64_t bytes_;
};

}  // namespace

absl::Status MemfdSubject::CheckAvailable(const Need& /*need*/) { return absl::OkStatus(); }

absl::StatusOr<std::unique_ptr<Memory>> MemfdSubject::Map(const Need& need) {
  const int fd = memfd_create("uarena-bench", MFD_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "memfd_create");
  absl::StatusOr<std::unique_ptr<Memory>> memory;
  if (ftruncate(fd, static_cast<off_t>(need.span_bytes)) != 0) {
    memory = absl::ErrnoToStatus(errno, "sizing a memfd");
  } else {
    memory = Mapping::Make(need.span_bytes, MAP_SHARED, fd);
  }
  close(fd);
  return memory;
}

absl::Status AnonymousSubject::CheckAvailable(const Need& need) {
  if (need.second_process) {
    return absl::UnimplementedError("private memory cannot be shared with a second process");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> AnonymousSubject::Map(const Need& need) {
  absl::StatusOr<std::unique_ptr<Memory>> memory =
      Mapping::Make(need.span_bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  // EINVAL: a kernel without transparent huge pages, which is what we want.
  if (memory.ok() && madvise((*memory)->base(), need.span_bytes, MADV_NOHUGEPAGE) != 0 &&
      errno != EINVAL) {
    return absl::ErrnoToStatus(errno, "madvise(MADV_NOHUGEPAGE)");
  }
  return memory;
}

}  // namespace uarena::bench
