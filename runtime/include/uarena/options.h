// SPDX-License-Identifier: Apache-2.0
///
/// What a caller can ask of an arena. Every field has a working default except `max_pages`, which a
/// new arena needs.
#ifndef UARENA_OPTIONS_H_
#define UARENA_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace uarena {

/// Any node; the kernel's NUMA_NO_NODE.
inline constexpr int kNoNode = -1;

/// Who resolves a touch of a page that is not there. See "A fault, step by step" in
/// runtime/README.md.
enum class FaultMode : uint8_t {
  kAuto,     ///< in place where userfaultfd is permitted, else kernel
  kInPlace,  ///< the touching thread itself, from a SIGBUS handler; the fastest
  kThread,   ///< a handler thread of this process
  kServed,   ///< the daemon; only for arenas opened by name
  kKernel,   ///< plain paging, no userfaultfd; `segv_on_fault` is not possible
};

/// "auto", "in-place", "thread", "served", "kernel".
std::string_view FaultModeName(FaultMode mode);

enum class PageSize : uint8_t {
  kSystem,  ///< sysconf(_SC_PAGESIZE)
  k2MiB,    ///< hugetlb; needs pages in the system's huge page pool
};

/// What the creator of an arena decides is kept with it; opening an existing one takes from its
/// options only `fault_mode`, `keep_freed_bytes`, `read_only`, `reconnect` and `socket_path`, and
/// checks `max_pages`, `page_size`, `user_vm_start` and `segv_on_fault` unless `max_pages` is 0.
struct ArenaOptions {
  /// Size of the arena in pages. At least 1; at most 2^32 - 2 pages, and no more than the address
  /// space holds (1 TiB is fine: an arena costs memory only where it is used). When an existing
  /// arena is opened by name, 0 means "whatever it has" and another number must match.
  uint64_t max_pages = 0;

  PageSize page_size = PageSize::kSystem;

  /// Where the arena begins, in every process; page aligned. 0 lets uarena choose a place that is a
  /// multiple of 4 GiB. Arenas of at most 4 GiB must not cross a 4 GiB boundary, so that the low 32
  /// bits of a pointer identify its page (the kernel's rule: arena_map_alloc, ERANGE).
  uint64_t user_vm_start = 0;

  /// Touching a page that AllocPages has not returned raises SIGSEGV instead of allocating it; the
  /// kernel's BPF_F_SEGV_ON_FAULT. Decided by whoever creates the arena.
  bool segv_on_fault = false;

  /// How this process wants its faults resolved. Each process may choose another.
  FaultMode fault_mode = FaultMode::kAuto;

  /// Preferred NUMA node of pages that faults and AllocPages(…, kNoNode) create.
  int numa_node = kNoNode;

  /// The most pages one fault may populate; 1 gives the kernel's page-by-page behaviour, 0 the
  /// default (2 MiB's worth). Rounded down to a power of two.
  uint32_t max_populate_pages = 0;

  /// The most pages that may be allocated at a time; 0 is no quota. AllocPages beyond it answers
  /// ResourceExhausted; a touch beyond it raises SIGSEGV, as the kernel does when out of memory.
  uint64_t quota_pages = 0;

  /// The most memory, in bytes, that this process keeps populated and mapped of the pages it has
  /// freed, or has populated beyond what small allocations asked for, to allocate them without a
  /// fault. They hold zeros and are free for everybody; 0 keeps nothing, so that FreePages gives
  /// every page back to the system before it returns. Unused where segv_on_fault or
  /// `max_populate_pages` 1 ask for the kernel's exact behaviour.
  uint64_t keep_freed_bytes = 4 << 20;

  /// Arena::Open only. Create the arena if no arena of that name exists.
  bool create = true;
  /// Arena::Open only. Attach for reading: the memory is mapped so that nothing can make it
  /// writable, and AllocPages, FreePages, SetRoot and their like answer FailedPrecondition. Needs
  /// only the arena's read permission. Reading a page that nobody has allocated finds zeros, or
  /// under `segv_on_fault` raises SIGSEGV. `fault_mode` is not used.
  bool read_only = false;
  /// Arena::Open only. Who may open a new arena, as chmod(2) has it: r to attach it read-only, w to
  /// attach it fully; x has no meaning and is refused. Root may always.
  uint32_t mode = 0600;
  /// Arena::Open only. When the daemon goes away, look for its successor and hand the arena back to
  /// it, so that it keeps its name. A thread of the library does that.
  bool reconnect = true;
  /// Arena::Open only. Where the daemon listens; empty: $UARENA_SOCKET, else the default place.
  std::string socket_path{};  // an initialiser, so that designated ones may leave it out
};

}  // namespace uarena

#endif  // UARENA_OPTIONS_H_
