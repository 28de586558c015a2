// SPDX-License-Identifier: Apache-2.0
///
/// Arena: a sparse memory region that several processes share at one address, with plain pointers.
///
/// Pages appear, zeroed, on first touch or by AllocPages; they are freed page-wise; an arena costs
/// memory only where it is used. The meaning of every call is that of the kernel's bpf_arena
/// (kernel/bpf/arena.c) unless the comment says otherwise.
///
///   uarena::ArenaOptions options;
///   options.max_pages = 1 << 18;                                    // 1 GiB of 4 KiB pages
///   absl::StatusOr<uarena::Arena> arena = uarena::Arena::Create(options);
///   absl::StatusOr<void*> page = arena->AllocPages(nullptr, 1);
///   arena->SetRoot("index", *page);                                 // others find it by name
#ifndef UARENA_ARENA_H_
#define UARENA_ARENA_H_

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "uarena/options.h"
#include "uarena/stats.h"

namespace uarena {

class ArenaImpl;

/// A handle to one arena, attached in this process. Move-only; destroying it detaches: the region
/// is unmapped here, the arena lives on while another process or the daemon has it.
///
/// Thread-safety: all methods may be called from any threads at once; moving and destroying may not
/// race with other calls; a moved-from handle can only be destroyed or assigned to. AllocPages,
/// FreePages, ReservePages and Contains, as far as they succeed, may also be called from signal
/// handlers (an error's message is allocated).
///
/// Fork: the child has a working copy of every handle. exec detaches.
///
/// Errors: a method that returns an error has changed nothing (but Populate may have got part of
/// the way). The message names the argument, its value and what to do. Codes: InvalidArgument (a
/// wrong value), OutOfRange (not inside the arena), AlreadyExists (pages taken), ResourceExhausted
/// (no pages, memory, quota or table space), FailedPrecondition (not in this state or mode),
/// NotFound, Unavailable (no daemon), Unimplemented (not on this kernel).
class Arena {
 public:
  /// Creates an unnamed arena, for this process, the children it forks, and whoever it is sent to.
  /// Needs no daemon. Errors: InvalidArgument, OutOfRange (a 4 GiB boundary crossed),
  /// AlreadyExists (`user_vm_start` is in use; the message says by what), FailedPrecondition,
  /// Unimplemented (the fault mode), ResourceExhausted.
  static absl::StatusOr<Arena> Create(const ArenaOptions& options);

  /// Attaches the arena `name` of the daemon, creating it if there is none and `options.create`.
  /// Names: 1 to 63 bytes of letters, digits, '.', '_' and '-'. Errors: as Create, and Unavailable
  /// (no daemon: the message says how to start it), NotFound, FailedPrecondition (daemon of another
  /// version; existing arena of another geometry).
  static absl::StatusOr<Arena> Open(std::string_view name, const ArenaOptions& options = {});

  /// Makes the daemon forget the arena `name`; whoever is attached keeps it, and its memory goes
  /// when the last one detaches. Of `options` it uses `socket_path`. Errors: InvalidArgument
  /// (name), Unavailable (no daemon), NotFound, PermissionDenied (another user's).
  static absl::Status Remove(std::string_view name, const ArenaOptions& options = {});

  /// Hands the arena to the process at the other end of `socket_fd`, a connected Unix socket that
  /// stays the caller's. Receive blocks for it and attaches at the same address; of `options` it
  /// uses the fields that concern the attaching process. Errors: InvalidArgument (not such a
  /// socket, or what came is not an arena), AlreadyExists (the address is in use here), Unavailable
  /// (hung up).
  absl::Status Send(int socket_fd) const;
  static absl::StatusOr<Arena> Receive(int socket_fd, const ArenaOptions& options = {});

  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  ~Arena();

  /// Allocates `count` contiguous pages and maps them here: at `addr` if not null, else where they
  /// fit best. The pages are zeroed and resident; they stay valid until freed, whatever memory
  /// becomes short. `node` prefers a NUMA node. Errors: InvalidArgument (`count` 0, `addr`
  /// unaligned, no such node), OutOfRange (`count` or `addr`), AlreadyExists (`addr`: a page there
  /// is taken), ResourceExhausted (no such run of free pages, memory, or quota).
  absl::StatusOr<void*> AllocPages(void* addr, uint64_t count, int node = kNoNode);

  /// Frees the pages: afterwards a touch from any process finds a zero page (or SIGSEGV). `addr` is
  /// rounded down to a page and the range is clipped at the arena's end; pages in it that are free
  /// already are fine and reserved ones become free, as in the kernel. Errors: InvalidArgument
  /// (`count` 0), OutOfRange (`addr`), FailedPrecondition (every page was free already: a double
  /// free).
  absl::Status FreePages(void* addr, uint64_t count);

  /// Keeps AllocPages(nullptr, …) and other reservations away from the range, without memory; a
  /// touch still gets a page. FreePages undoes it. Errors: InvalidArgument (`count` 0, `addr`
  /// unaligned; the kernel silently ignores the latter), OutOfRange, AlreadyExists (a page there is
  /// taken).
  absl::Status ReservePages(void* addr, uint64_t count);

  /// Makes every page of the range resident and mapped here, allocating those that are not, so
  /// that system calls can use it as a buffer: under userfaultfd a system call that meets a missing
  /// page fails with EFAULT. `addr` need not be aligned. Errors: InvalidArgument (`bytes` 0),
  /// OutOfRange, FailedPrecondition (`segv_on_fault` and a page is not allocated),
  /// ResourceExhausted.
  absl::Status Populate(const void* addr, size_t bytes);

  /// Where the arena begins, its size in bytes, its page size in bytes.
  void* base() const;
  size_t size() const;
  size_t page_size() const;
  uint64_t max_pages() const;

  bool Contains(const void* ptr) const;

  /// The low 32 bits of a pointer, which name it within an arena of at most 4 GiB, and back.
  /// Null is 0 and 0 is null. Errors: FailedPrecondition (a larger arena), OutOfRange.
  absl::StatusOr<uint32_t> ToOffset(const void* ptr) const;
  absl::StatusOr<void*> FromOffset(uint32_t offset) const;

  /// Publishes `ptr` under `name` (1 to 63 bytes) for every process; null removes the name. Atomic.
  /// Errors: InvalidArgument (name), OutOfRange (`ptr` is not in the arena), ResourceExhausted
  /// (1,024 names are taken), NotFound (removing a name that is not there).
  absl::Status SetRoot(std::string_view name, const void* ptr);
  /// Errors: InvalidArgument (name), NotFound.
  absl::StatusOr<void*> Root(std::string_view name) const;
  std::vector<std::string> RootNames() const;

  /// Counts all pages; settles those that faults populated ahead (see runtime/README.md), which
  /// costs a look into each of them. Not for signal handlers.
  absl::StatusOr<ArenaStats> Stats() const;

  /// Completes or undoes what processes that died have left half done. Called by the library where
  /// it matters; harmless at any time. Returns the number of dead processes found.
  absl::StatusOr<int> Recover();

  /// Walks the shared state and proves its invariants: every page is free, reserved, allocated or
  /// ahead exactly once, ranges match, counters match. The arena should be quiet. Errors: DataLoss,
  /// with the first page that breaks a rule.
  absl::Status CheckInvariants() const;

  /// The mode in use and why: "in-place: userfaultfd with UFFD_FEATURE_SIGBUS".
  FaultMode fault_mode() const;
  std::string fault_mode_reason() const;

  /// The daemon's name for the arena; empty for one made by Create.
  const std::string& name() const;

 private:
  explicit Arena(std::shared_ptr<ArenaImpl> impl);
  std::shared_ptr<ArenaImpl> impl_;
};

/// What the running kernel allows, as `uarenactl probe` prints it.
struct KernelAbilities {
  bool userfaultfd = false;                ///< any uffd at all
  bool userfaultfd_kernel_faults = false;  ///< a uffd that also sees faults of system calls
  bool sigbus = false;                     ///< UFFD_FEATURE_SIGBUS
  bool io_uring = false;
  bool memfd_sealing = false;
  uint64_t huge_2mib_pages = 0;  ///< in the pool now, free
  size_t page_size = 0;
  std::string kernel;                     ///< uname -r
  std::string userfaultfd_reason;         ///< why not, or which way it was opened
  FaultMode picked = FaultMode::kKernel;  ///< what kAuto means here
  std::string picked_reason;
};
KernelAbilities ProbeKernel();

/// For programs that install a SIGBUS handler after creating an arena: call this first; true means
/// the fault was an arena's and is resolved. Handlers installed before the first arena are
/// chained to automatically. Async-signal-safe.
bool HandleSigbus(int signal, siginfo_t* info, void* context);

}  // namespace uarena

#endif  // UARENA_ARENA_H_
