// SPDX-License-Identifier: Apache-2.0

#include "tests/support/kernel_arena.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/kernel_arena_programs.h"

namespace uarena::testing {

using internal::BpfCall;
using internal::KernelArenaContext;
using internal::KernelArenaOp;
using internal::kKernelArenaOps;
using internal::PointerToU64;

namespace {

// Part of the kernel's ABI since 6.9. Spelled out because the headers that distributions install
// are often older than the kernel that runs.
constexpr uint32_t kBpfMapTypeArena = 33;
constexpr uint32_t kBpfFSegvOnFault = 1U << 17;

// The kernel's own ENOTSUPP, which no user-space header defines; bpf(2) lets it out.
constexpr int kKernelEnotsupp = 524;

// A program run cannot be killed and, on kernels without preemption, keeps its processor. Loops
// are cut into runs of about this many pages, which take a few seconds at worst.
constexpr uint32_t kPagesPerRun = 1U << 18;

void CloseIfOpen(int fd) {
  if (fd >= 0) close(fd);
}

// The new map's file descriptor, or a negated error number.
int CreateMap(uint32_t max_pages, uint32_t flags, uint64_t user_vm_start) {
  union bpf_attr attr = {};
  attr.map_type = kBpfMapTypeArena;
  attr.max_entries = max_pages;
  attr.map_flags = BPF_F_MMAPABLE | flags;
  attr.map_extra = user_vm_start;
  strncpy(attr.map_name, "uarena_test", sizeof(attr.map_name) - 1);
  const int fd = BpfCall(BPF_MAP_CREATE, &attr);
  return fd >= 0 ? fd : -errno;
}

absl::Status MapCreationError(int error) {
  constexpr char kMessage[] = "creating a bpf_arena map";
  if (error == EINVAL) {
    // Both a wrong argument and an unknown map type; arguments that cannot be wrong tell which.
    const int probe = CreateMap(1, 0, 0);
    CloseIfOpen(probe);
    if (probe < 0) return absl::UnimplementedError("this kernel has no bpf_arena maps");
  }
  if (error == EOPNOTSUPP || error == kKernelEnotsupp) return absl::UnimplementedError(kMessage);
  return absl::ErrnoToStatus(error, kMessage);
}

}  // namespace

KernelArena::KernelArena() { program_fds_.fill(-1); }

KernelArena::KernelArena(KernelArena&& other) noexcept : KernelArena() { Swap(other); }

KernelArena& KernelArena::operator=(KernelArena&& other) noexcept {
  KernelArena taken(std::move(other));
  Swap(taken);
  return *this;
}

KernelArena::~KernelArena() {
  for (const int fd : program_fds_) CloseIfOpen(fd);
  if (base_ != nullptr) munmap(base_, size_);
  CloseIfOpen(map_fd_);
}

void KernelArena::Swap(KernelArena& other) noexcept {
  std::swap(map_fd_, other.map_fd_);
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(program_fds_, other.program_fds_);
}

bool KernelArena::IsUnavailable(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnimplemented(status) ||
         absl::IsFailedPrecondition(status);
}

absl::StatusOr<KernelArena> KernelArena::Create(uint32_t max_pages, bool segv_on_fault,
                                                uint64_t user_vm_start) {
  KernelArena arena;
  arena.map_fd_ = CreateMap(max_pages, segv_on_fault ? kBpfFSegvOnFault : 0, user_vm_start);
  if (arena.map_fd_ < 0) return MapCreationError(-arena.map_fd_);

  // The programs can be loaded only once the arena has its user address, so the mapping is first.
  const size_t size = size_t{max_pages} * sysconf(_SC_PAGESIZE);
  void* base = mmap(reinterpret_cast<void*>(user_vm_start), size, PROT_READ | PROT_WRITE,
                    MAP_SHARED, arena.map_fd_, 0);
  if (base == MAP_FAILED) {
    // EBUSY: the kernel would have had to choose another address than the one asked for.
    if (errno == EBUSY) return absl::AlreadyExistsError("the bpf_arena's user address is taken");
    return absl::ErrnoToStatus(errno, "mapping the bpf_arena");
  }
  arena.base_ = static_cast<char*>(base);
  arena.size_ = size;

  for (int op = 0; op < kKernelArenaOps; ++op) {
    absl::StatusOr<int> fd =
        internal::LoadKernelArenaProgram(static_cast<KernelArenaOp>(op), arena.map_fd_);
    if (!fd.ok()) return fd.status();
    arena.program_fds_[op] = *fd;
  }
  return arena;
}

absl::Status KernelArena::Run(KernelArenaOp op, KernelArenaContext& context) const {
  union bpf_attr attr = {};
  attr.test.prog_fd = program_fds_[static_cast<int>(op)];
  attr.test.ctx_in = PointerToU64(&context);
  attr.test.ctx_size_in = sizeof(context);
  if (BpfCall(BPF_PROG_TEST_RUN, &attr) != 0) {
    return absl::InternalError(absl::StrCat("running a BPF program: ", strerror(errno)));
  }
  return absl::OkStatus();
}

void KernelArena::RunOrDie(KernelArenaOp op, KernelArenaContext& context) const {
  const absl::Status status = Run(op, context);
  if (status.ok()) return;
  fprintf(stderr, "KernelArena: %s\n", status.ToString().c_str());
  abort();
}

void* KernelArena::AllocPages(void* addr, uint32_t count, int node, uint64_t flags) {
  KernelArenaContext context;
  context.addr = PointerToU64(addr);
  context.count = count;
  context.node = node;
  context.flags = flags;
  RunOrDie(KernelArenaOp::kAlloc, context);
  return reinterpret_cast<void*>(context.result);
}

void KernelArena::FreePages(void* addr, uint32_t count) {
  KernelArenaContext context;
  context.addr = PointerToU64(addr);
  context.count = count;
  RunOrDie(KernelArenaOp::kFree, context);
}

bool KernelArena::has_reserve() const {
  return program_fds_[static_cast<int>(KernelArenaOp::kReserve)] >= 0;
}

int KernelArena::ReservePages(void* addr, uint32_t count) {
  if (!has_reserve()) return -ENOSYS;
  KernelArenaContext context;
  context.addr = PointerToU64(addr);
  context.count = count;
  RunOrDie(KernelArenaOp::kReserve, context);
  return static_cast<int32_t>(context.result);
}

absl::StatusOr<uint64_t> KernelArena::RunLoop(KernelArenaOp op, uint32_t pages, uint32_t iterations,
                                              void** first) const {
  const uint32_t per_run = std::max(1U, kPagesPerRun / std::max(1U, pages));
  uint64_t elapsed_ns = 0;
  KernelArenaContext context;
  context.count = pages;
  for (uint32_t done = 0; done < iterations; done += context.iterations) {
    context.iterations = std::min(per_run, iterations - done);
    if (absl::Status status = Run(op, context); !status.ok()) return status;
    elapsed_ns += context.elapsed_ns;
    if (context.completed != context.iterations) {
      return absl::ResourceExhaustedError(absl::StrCat("allocating ", pages, " pages failed after ",
                                                       done + context.completed, " of ", iterations,
                                                       " iterations"));
    }
  }
  if (first != nullptr) *first = reinterpret_cast<void*>(context.result);
  return elapsed_ns;
}

absl::StatusOr<uint64_t> KernelArena::ChurnNs(uint32_t pages, uint32_t iterations) {
  return RunLoop(KernelArenaOp::kChurn, pages, iterations, nullptr);
}

absl::StatusOr<uint64_t> KernelArena::AllocManyNs(uint32_t pages, uint32_t iterations,
                                                  void** first) {
  return RunLoop(KernelArenaOp::kAllocMany, pages, iterations, first);
}

}  // namespace uarena::testing
