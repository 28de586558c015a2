// SPDX-License-Identifier: Apache-2.0
///
/// Typed objects in an arena: New and Delete, which may be called by different processes.
///
///   absl::StatusOr<uarena::Vector<int>*> numbers = uarena::New<uarena::Vector<int>>(*arena);
///   arena->SetRoot("numbers", *numbers).IgnoreError();
///   …
///   uarena::Delete(*arena, *numbers).IgnoreError();
#ifndef UARENA_OBJECTS_H_
#define UARENA_OBJECTS_H_

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "uarena/allocator.h"
#include "uarena/heap.h"
#include "uarena/shareable.h"

namespace uarena {

/// Constructs a T in a block of `heap`. A T that takes an allocator (std::uses_allocator) gets an
/// ArenaAllocator of it after `args`, so that containers need not be told twice. Does not compile
/// for types that cannot be shared (uarena/shareable.h).
///
/// The object stays until Delete, whatever becomes of the process: one that is killed before it has
/// stored the pointer in the arena leaves it allocated. Errors: as Heap::Allocate. What the
/// constructor throws is passed on, std::bad_alloc of a container among it; the block is free then.
/// Thread-safety: as Heap.
template <typename T, typename... Args>
absl::StatusOr<T*> New(Heap heap, Args&&... args) {
  static_assert(!std::is_array_v<T>, "New makes one object; use std::array or uarena::Vector");
  RequireShareable<T>();
  const absl::StatusOr<void*> block = heap.Allocate(sizeof(T), alignof(T));
  if (!block.ok()) return block.status();
  // Not catch and throw again, so that programs without exceptions can use it as well.
  struct Release {
    void operator()(void* unused) { heap.TryFree(unused); }
    Heap heap;
  };
  std::unique_ptr<void, Release> guard(*block, Release{heap});
  T* const object = std::uninitialized_construct_using_allocator(
      static_cast<T*>(*block), ArenaAllocator<std::byte>(heap), std::forward<Args>(args)...);
  (void)guard.release();
  return object;
}

/// Destroys what New, in whatever process, has made of the same type, and frees its block; null is
/// fine. Errors, with the address, before the destructor has run: InvalidArgument (not a block of
/// the heap, free already, or smaller than a T). An object that was deleted, and its block made
/// another object of, cannot be told from that one. Thread-safety: as Heap; nobody else may be
/// using the object.
template <typename T>
absl::Status Delete(Heap heap, T* object) {
  static_assert(!std::is_polymorphic_v<T>, "New has not made this: it has virtual functions");
  if (object == nullptr) return absl::OkStatus();
  void* const block = const_cast<void*>(static_cast<const volatile void*>(object));
  const absl::StatusOr<size_t> bytes = heap.UsableSize(block);
  if (!bytes.ok()) return bytes.status();
  if (*bytes < sizeof(T)) {
    return absl::InvalidArgumentError(absl::StrCat("the block at 0x", absl::Hex(block), " has ",
                                                   *bytes, " bytes, too few for the object of ",
                                                   sizeof(T), " bytes to be deleted"));
  }
  std::destroy_at(object);
  return heap.Free(block);
}

}  // namespace uarena

#endif  // UARENA_OBJECTS_H_
