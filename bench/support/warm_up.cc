// SPDX-License-Identifier: Apache-2.0
#include "bench/support/warm_up.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "uarena/arena.h"

namespace uarena::bench {
namespace {

constexpr int kRounds = 3;
constexpr uint64_t k2MiB = uint64_t{2} << 20;

// Warming up is best effort: what cannot be mapped is not warmed up.
void TouchAndFree(uint64_t bytes, uint64_t step, int flags, int fd) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
  if (memory == MAP_FAILED) return;
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  for (uint64_t offset = 0; offset < bytes; offset += step) {
    static_cast<volatile char*>(memory)[offset] = 1;
  }
  munmap(memory, bytes);
}

void TouchMemfd(uint64_t bytes, uint64_t step, unsigned int flags) {
  if (bytes == 0) return;
  const int fd = memfd_create("uarena-bench-warm-up", MFD_CLOEXEC | flags);
  if (fd < 0) return;
  if (ftruncate(fd, static_cast<off_t>(bytes)) == 0) TouchAndFree(bytes, step, MAP_SHARED, fd);
  close(fd);
}

}  // namespace

void WarmUpHostMemory(uint64_t bytes, uint64_t huge_bytes) {
  const KernelAbilities abilities = ProbeKernel();
  huge_bytes = std::min(abilities.huge_2mib_pages * k2MiB, huge_bytes);
  for (int round = 0; round < kRounds; ++round) {
    TouchAndFree(bytes, abilities.page_size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    TouchMemfd(bytes, abilities.page_size, 0);
    TouchMemfd(huge_bytes, k2MiB, MFD_HUGETLB);
  }
}

}  // namespace uarena::bench
