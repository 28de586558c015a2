// SPDX-License-Identifier: Apache-2.0
///
/// ArenaAllocator: standard containers, and others that take an allocator, in an arena.
///
///   using Numbers = std::vector<int, uarena::ArenaAllocator<int>>;
///   absl::StatusOr<Numbers*> numbers = uarena::New<Numbers>(*arena);  // uarena/objects.h
///   (*numbers)->push_back(42);                                       // in every process
///
/// Its pointers are plain T*, and it is one pointer itself, so a container is as large as with
/// std::allocator and one pointer more. uarena/containers.h has names for the usual ones.
#ifndef UARENA_ALLOCATOR_H_
#define UARENA_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <scoped_allocator>
#include <string>
#include <type_traits>
#include <utility>

#include "uarena/heap.h"
#include "uarena/shareable.h"

namespace uarena {

namespace internal {

// A container was about to free what is not its heap's: memory is damaged, or two containers of
// different arenas were swapped. There is nobody to return an error to.
[[noreturn, gnu::cold, gnu::noinline]] inline void DieOfFree(Heap heap, void* ptr) noexcept {
  std::fprintf(stderr, "uarena: freeing %p: %s\n", ptr, heap.Free(ptr).ToString().c_str());
  std::abort();
}

}  // namespace internal

/// Allocates from an arena's heap. A copy, in whatever process, allocates from the same arena; two
/// are equal if their arena is the same one.
///
/// Containers keep their allocator for life: assigning and swapping change elements, never the
/// arena, since a container that lies in one arena must not come to point into another, which may
/// not be attached where the first one is. So assigning, by copy or by move, across arenas moves
/// the elements one by one, and swapping across arenas is not allowed (as for std::pmr); move three
/// times instead. A container copied is copied within its arena unless told otherwise.
///
/// Thread-safety: as Heap; that of a container is the standard's, between processes as between
/// threads: guard it with a lock of uarena/mutex.h.
///
/// Death: a process that is killed while it changes a container leaves it half changed. Repair it
/// by way of the lock that guards it.
template <typename T>
class ArenaAllocator {
 public:
  using value_type = T;
  using size_type = size_t;
  using difference_type = ptrdiff_t;
  using propagate_on_container_copy_assignment = std::false_type;
  using propagate_on_container_move_assignment = std::false_type;
  using propagate_on_container_swap = std::false_type;
  using is_always_equal = std::false_type;

  /// Wherever an allocator is expected, a heap or an arena will do.
  // NOLINTBEGIN(google-explicit-constructor)
  ArenaAllocator(Heap heap) noexcept : heap_(heap) {}
  ArenaAllocator(const Arena& arena) noexcept : heap_(arena) {}
  template <typename U>
  ArenaAllocator(const ArenaAllocator<U>& other) noexcept : heap_(other.heap()) {}
  // NOLINTEND(google-explicit-constructor)

  /// Room for `count` objects, aligned for T. Throws std::bad_alloc where Heap::Allocate has an
  /// error, and std::bad_array_new_length for more than there can be.
  [[nodiscard]] T* allocate(size_t count) {
    RequireShareable<T>();
    constexpr size_t kSize = sizeof(T);  // NOLINT(bugprone-sizeof-expression): of pointers, too
    if (count > std::numeric_limits<ptrdiff_t>::max() / kSize) throw std::bad_array_new_length();
    void* const block = heap_.TryAllocate(count * kSize, alignof(T));
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<T*>(block);
  }

  /// Frees what any process has allocated. Ends the process, with a message that names the address,
  /// if the heap refuses it (see Heap::Free).
  void deallocate(T* block, size_t /*count*/) noexcept {
    if (!heap_.TryFree(block)) internal::DieOfFree(heap_, block);
  }

  /// As std::allocator_traits does it. Containers construct their elements here, whatever nodes
  /// they allocate, so here each element's type is looked at.
  template <typename U, typename... Args>
  void construct(U* object, Args&&... args) {
    RequireShareable<U>();
    std::construct_at(object, std::forward<Args>(args)...);
  }

  ArenaAllocator select_on_container_copy_construction() const { return *this; }

  Heap heap() const noexcept { return heap_; }

  template <typename U>
  friend bool operator==(const ArenaAllocator& a, const ArenaAllocator<U>& b) noexcept {
    return a.heap() == b.heap();
  }

 private:
  Heap heap_;
};

/// The same, for containers of containers: elements that take an allocator get this one, so that a
/// tree of containers lies in one arena. Whatever is inserted is built there at once:
///
///   uarena::Map<uarena::String, uarena::Vector<uarena::String>> words(heap);
///   words.try_emplace("a", 3);
///
/// To be such an element a class of one's own has a member type `allocator_type`, to which an
/// ArenaAllocator converts, and constructors that take one last (see std::uses_allocator).
template <typename T>
using ScopedAllocator = std::scoped_allocator_adaptor<ArenaAllocator<T>>;

}  // namespace uarena

#endif  // UARENA_ALLOCATOR_H_
