// SPDX-License-Identifier: Apache-2.0
///
/// ArenaMemoryResource: memory of an arena for std::pmr containers of one process.
///
///   uarena::ArenaMemoryResource memory(*arena);
///   std::pmr::vector<int> numbers(&memory);       // only this process can use `numbers`
///
/// Process-local: a std::pmr container holds the address of its resource, and the resource that of
/// its vtable, both of which mean nothing elsewhere. So what such containers hold lies in the
/// arena, where it counts against its quota and may be handed to others by address, but the
/// containers themselves must not be shared, nor lie in an arena: New and ArenaAllocator refuse
/// both them and the resource. To share a container, give it an ArenaAllocator
/// (uarena/containers.h).
#ifndef UARENA_MEMORY_RESOURCE_H_
#define UARENA_MEMORY_RESOURCE_H_

#include <cstddef>
#include <memory_resource>
#include <new>

#include "uarena/allocator.h"
#include "uarena/heap.h"

namespace uarena {

/// A resource that allocates from an arena's heap; equal to others of the same arena.
///
/// allocate throws std::bad_alloc where Heap::Allocate has an error; deallocate ends the process,
/// with a message that names the address, if the heap refuses it. Blocks that are not deallocated
/// outlive the process. Thread-safety: as Heap.
class ArenaMemoryResource : public std::pmr::memory_resource {
 public:
  explicit ArenaMemoryResource(Heap heap) : heap_(heap) {}

  Heap heap() const { return heap_; }

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
    void* const block = heap_.TryAllocate(bytes, alignment);
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }

  void do_deallocate(void* block, size_t /*bytes*/, size_t /*alignment*/) override {
    if (!heap_.TryFree(block)) internal::DieOfFree(heap_, block);
  }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    const auto* const same_kind = dynamic_cast<const ArenaMemoryResource*>(&other);
    return same_kind != nullptr && same_kind->heap_ == heap_;
  }

  Heap heap_;
};

}  // namespace uarena

#endif  // UARENA_MEMORY_RESOURCE_H_
