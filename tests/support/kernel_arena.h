// SPDX-License-Identifier: Apache-2.0
//
// Drives the running kernel's own bpf_arena, so that tests can compare uarena with the original
// and benchmarks can measure both on one machine. Only bpf(2) is used: neither libbpf nor a
// compiler with a BPF back end is needed.

#ifndef UARENA_TESTS_SUPPORT_KERNEL_ARENA_H_
#define UARENA_TESTS_SUPPORT_KERNEL_ARENA_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/kernel_arena_programs.h"

namespace uarena::testing {

// An arena map of the kernel, mapped into this process, with programs loaded that call the kernel's
// allocator on it. The pages of the map are charged to the calling process's memory cgroup.
//
// The calls may be made from several threads. A child made by fork() does not inherit the mapping
// (the kernel's rule) and must not use the object: even its destructor would unmap whatever the
// child has put at the arena's address.
class KernelArena {
 public:
  // Makes and maps an arena of `max_pages` pages, at `user_vm_start` unless that is 0.
  //
  // The status is PermissionDenied, Unimplemented or FailedPrecondition exactly when bpf_arena
  // cannot be used here (see IsUnavailable), and another code when the arguments are at fault:
  // InvalidArgument or OutOfRange as the kernel has it, AlreadyExists when `user_vm_start` cannot
  // be had. A program that the verifier refuses is Internal, with the end of the verifier's log.
  static absl::StatusOr<KernelArena> Create(uint32_t max_pages, bool segv_on_fault,
                                            uint64_t user_vm_start = 0);

  // Whether a status of Create says that this kernel or this user cannot have an arena: the test
  // should be skipped, with the message as the reason.
  static bool IsUnavailable(const absl::Status& status);

  KernelArena(KernelArena&& other) noexcept;
  KernelArena& operator=(KernelArena&& other) noexcept;
  KernelArena(const KernelArena&) = delete;
  KernelArena& operator=(const KernelArena&) = delete;
  ~KernelArena();

  char* base() const { return base_; }
  size_t size() const { return size_; }

  // The kernel's functions of the same names, in a program run of their own. They report what the
  // kernel reported and nothing else; a program that cannot be run at all aborts the process,
  // because a null pointer then would pass for an answer of the allocator.
  void* AllocPages(void* addr, uint32_t count, int node, uint64_t flags);
  void FreePages(void* addr, uint32_t count);
  // 0, -EBUSY or -EINVAL from the kernel; -ENOSYS when the kernel is too old to have the function.
  int ReservePages(void* addr, uint32_t count);
  bool has_reserve() const;

  // Allocates `pages` pages anywhere and frees them, `iterations` times over. Returns the
  // nanoseconds that the loop took, measured inside the program: entering the kernel is not in it.
  // ResourceExhausted when the kernel refuses an allocation, whatever the reason.
  absl::StatusOr<uint64_t> ChurnNs(uint32_t pages, uint32_t iterations);

  // Allocates `pages` pages anywhere `iterations` times and keeps them. Returns the nanoseconds
  // for all of it and, unless `first` is null, the address that the first allocation gave.
  // ResourceExhausted as above; the pages allocated until then stay allocated.
  absl::StatusOr<uint64_t> AllocManyNs(uint32_t pages, uint32_t iterations, void** first);

 private:
  KernelArena();
  void Swap(KernelArena& other) noexcept;
  absl::Status Run(internal::KernelArenaOp op, internal::KernelArenaContext& context) const;
  void RunOrDie(internal::KernelArenaOp op, internal::KernelArenaContext& context) const;
  absl::StatusOr<uint64_t> RunLoop(internal::KernelArenaOp op, uint32_t pages, uint32_t iterations,
                                   void** first) const;

  int map_fd_ = -1;
  char* base_ = nullptr;
  size_t size_ = 0;
  std::array<int, internal::kKernelArenaOps> program_fds_;  // by KernelArenaOp
};

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_KERNEL_ARENA_H_
