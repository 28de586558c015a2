// SPDX-License-Identifier: Apache-2.0
//
// A ledger of blocks: an allocator whose blocks can all be freed without asking the containers that
// they were allocated for.
//
// That is what it takes to get rid of a standard container whose process was killed in the middle
// of changing it: nothing in it may be read any more, its destructor least of all, since any
// pointer may be half way between two nodes. The ledger can be read after a kill at any
// instruction: its blocks form a chain that one store enters them into and one store takes them out
// of. A process killed beside these stores, when the heap has given a block or is about to get it
// back, loses this one block.
#ifndef UARENA_EXAMPLES_SHARED_CACHE_LEDGER_H_
#define UARENA_EXAMPLES_SHARED_CACHE_LEDGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <scoped_allocator>
#include <utility>

#include "uarena/heap.h"

namespace shared_cache {

// In an arena. Not thread-safe: whoever guards the containers guards it.
class Ledger {
 public:
  explicit Ledger(uarena::Heap heap) : heap_(heap) {}
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void* Allocate(size_t bytes) {
    void* const memory = heap_.TryAllocate(sizeof(Block) + bytes);
    if (memory == nullptr) throw std::bad_alloc();
    Block* const first = first_.load(std::memory_order_relaxed);
    auto* const block = new (memory) Block{first, nullptr};
    if (first != nullptr) first->previous = block;
    first_.store(block, std::memory_order_release);
    return block + 1;
  }

  void Free(void* memory) {
    Block* const block = static_cast<Block*>(memory) - 1;
    Block* const next = block->next.load(std::memory_order_relaxed);
    if (next != nullptr) next->previous = block->previous;
    (block->previous == nullptr ? first_ : block->previous->next)
        .store(next, std::memory_order_release);
    heap_.TryFree(block);
  }

  // Frees them all. Uses `next` alone, so it may be called after a kill, in here as well.
  void FreeAll() {
    while (Block* const block = first_.load(std::memory_order_relaxed)) {
      first_.store(block->next.load(std::memory_order_relaxed), std::memory_order_release);
      heap_.TryFree(block);
    }
  }

 private:
  struct alignas(uarena::Heap::kAlignment) Block {
    std::atomic<Block*> next;
    Block* previous;  // of use while nobody is killed
  };

  uarena::Heap heap_;
  std::atomic<Block*> first_{nullptr};
};

// What makes a standard container allocate by way of a ledger.
template <typename T>
class LedgerAllocator {
 public:
  using value_type = T;
  static_assert(alignof(T) <= uarena::Heap::kAlignment);

  explicit LedgerAllocator(Ledger& ledger) : ledger_(&ledger) {}
  template <typename U>
  LedgerAllocator(const LedgerAllocator<U>& other)  // NOLINT(google-explicit-constructor)
      : ledger_(other.ledger()) {}

  T* allocate(size_t count) {
    constexpr size_t kSize = sizeof(T);  // NOLINT(bugprone-sizeof-expression): of pointers, too
    if (count > SIZE_MAX / 2 / kSize) throw std::bad_array_new_length();
    return static_cast<T*>(ledger_->Allocate(count * kSize));
  }
  void deallocate(T* block, size_t /*count*/) { ledger_->Free(block); }

  Ledger* ledger() const { return ledger_; }
  template <typename U>
  friend bool operator==(const LedgerAllocator& a, const LedgerAllocator<U>& b) {
    return a.ledger() == b.ledger();
  }

 private:
  Ledger* ledger_;
};

}  // namespace shared_cache

#endif  // UARENA_EXAMPLES_SHARED_CACHE_LEDGER_H_
