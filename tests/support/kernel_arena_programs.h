// SPDX-License-Identifier: Apache-2.0
//
// The BPF programs behind KernelArena (kernel_arena.h), which is what tests should use.

#ifndef UARENA_TESTS_SUPPORT_KERNEL_ARENA_PROGRAMS_H_
#define UARENA_TESTS_SUPPORT_KERNEL_ARENA_PROGRAMS_H_

#include <cstdint>

#include "absl/status/statusor.h"

union bpf_attr;

namespace uarena::testing::internal {

// What a program is given and gives back: the context of its run. All programs share one layout.
// Every field is aligned to its size, as the verifier wants.
struct KernelArenaContext {
  uint64_t addr = 0;
  uint64_t flags = 0;
  uint32_t count = 0;
  int32_t node = -1;
  uint32_t iterations = 0;
  uint32_t unused = 0;
  uint64_t result = 0;      // of the kernel function; of kAllocMany, the first address
  uint64_t elapsed_ns = 0;  // loops only
  uint64_t completed = 0;   // loops only: iterations before one failed
};

enum class KernelArenaOp {
  kAlloc,      // bpf_arena_alloc_pages(addr, count, node, flags) -> result
  kFree,       // bpf_arena_free_pages(addr, count)
  kReserve,    // bpf_arena_reserve_pages(addr, count) -> result, an int
  kChurn,      // `iterations` times: alloc(count pages anywhere), free; -> elapsed_ns, completed
  kAllocMany,  // the same, but nothing is freed; -> result, too, unless it was not 0 before
};
inline constexpr int kKernelArenaOps = 5;

// bpf(2). Its commands are those of <linux/bpf.h>.
int BpfCall(int command, union bpf_attr* attr);

// Loads the program for `op` on the arena map `map_fd`, which must have its user address already.
// Returns the program's file descriptor, or -1 for kReserve on a kernel without the function.
absl::StatusOr<int> LoadKernelArenaProgram(KernelArenaOp op, int map_fd);

inline uint64_t PointerToU64(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace uarena::testing::internal

#endif  // UARENA_TESTS_SUPPORT_KERNEL_ARENA_PROGRAMS_H_
