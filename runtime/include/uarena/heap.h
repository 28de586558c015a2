// SPDX-License-Identifier: Apache-2.0
///
/// Heap: objects of any size in an arena, allocated and freed by every process that has it
/// attached.
///
/// Every arena has one heap, which costs nothing until it is used. Blocks of up to 32 KiB come from
/// spans of pages that hold blocks of one size; larger ones are runs of pages. Each thread
/// allocates from spans of its own, without a lock or a system call; any process may free any
/// block. A process that is killed at any instruction leaves the heap usable, and what it had set
/// aside goes to the others.
///
///   uarena::Heap heap(*arena);
///   absl::StatusOr<void*> block = heap.Allocate(100);
///   heap.Free(*block).IgnoreError();
///
/// Typed objects: uarena/objects.h. Standard containers: uarena/allocator.h.
#ifndef UARENA_HEAP_H_
#define UARENA_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace uarena {

class Arena;

/// What the heap of an arena holds. Of blocks in use in spans of other processes' threads the
/// counts are of a moment that has passed.
struct HeapStats {
  uint64_t spans = 0;           ///< runs of pages that the heap has
  uint64_t pages = 0;           ///< in them
  uint64_t blocks_in_use = 0;   ///< allocated and not freed
  uint64_t bytes_in_use = 0;    ///< their usable sizes, together
  uint64_t large_blocks = 0;    ///< of those, runs of pages
  uint64_t empty_pages = 0;     ///< in spans without a block, kept for the next one
  uint64_t metadata_bytes = 0;  ///< what describes the spans, in control memory
};

/// A handle to the heap of an attached arena: one pointer, which is the arena's base and so the
/// same in every process. It does not keep the arena attached. Copyable; may itself lie in an
/// arena.
///
/// Thread-safety: all methods may be called from any threads and processes at once, but not from
/// signal handlers. Fork: the child allocates from spans of its own.
class Heap {
 public:
  /// What Allocate aligns to when it is not told.
  static constexpr size_t kAlignment = 16;

  /// Fails no call here; on an arena attached with `read_only` the methods that change something
  /// fail.
  Heap(const Arena& arena);  // NOLINT(google-explicit-constructor): an arena's heap is the arena's

  /// A block of at least `size` bytes (0 counts as 1), at a multiple of `alignment`, a power of two
  /// up to the arena's page size. Not zeroed. It stays until it is freed, whatever becomes of the
  /// process: the caller publishes it somewhere in the arena, or loses it with its process. Errors:
  /// InvalidArgument
  /// (`alignment`), ResourceExhausted (the arena's pages, quota or memory; the message says which),
  /// FailedPrecondition (not attached, or read-only).
  absl::StatusOr<void*> Allocate(size_t size, size_t alignment = kAlignment) {
    void* block = TryAllocate(size, alignment);
    if (ABSL_PREDICT_TRUE(block != nullptr)) return block;
    return WhyNot(size, alignment);
  }

  /// The same; null where Allocate has an error.
  void* TryAllocate(size_t size, size_t alignment = kAlignment) noexcept;

  /// Frees a block that any process has allocated; null is fine. Errors, after which nothing has
  /// changed: InvalidArgument, with the address (`ptr` is not in the arena, not the heap's, inside
  /// a block, or free already). A block that was freed and has been allocated again cannot be told
  /// from the new one.
  absl::Status Free(void* ptr) {
    if (ABSL_PREDICT_TRUE(TryFree(ptr))) return absl::OkStatus();
    return WhyNotFreed(ptr);
  }

  /// The same; false where Free has an error.
  bool TryFree(void* ptr) noexcept;

  /// How many bytes of the block may be used. Errors: InvalidArgument, as Free.
  absl::StatusOr<size_t> UsableSize(const void* ptr) const;

  /// Walks all spans. Errors: FailedPrecondition (not attached, or read-only).
  absl::StatusOr<HeapStats> Stats() const;

  /// Gives back to the arena what the calling thread's spans do not need: those whose blocks have
  /// all been freed, by whomever. Returns the number of pages.
  uint64_t Trim();

  /// The arena's base address.
  void* base() const { return base_; }

  friend bool operator==(const Heap& a, const Heap& b) { return a.base_ == b.base_; }

 private:
  absl::Status WhyNot(size_t size, size_t alignment) const;
  absl::Status WhyNotFreed(const void* ptr) const;

  void* base_;
};

}  // namespace uarena

#endif  // UARENA_HEAP_H_
