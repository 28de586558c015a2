// SPDX-License-Identifier: Apache-2.0
//
// What tests of the heap's users share.
#ifndef UARENA_TESTS_SUPPORT_SMALL_ARENA_H_
#define UARENA_TESTS_SUPPORT_SMALL_ARENA_H_

#include <cstdint>
#include <utility>

#include "uarena/arena.h"
#include "uarena/heap.h"

namespace uarena::testing {

// 16 MiB, so that a test can exhaust it.
inline Arena SmallArena() {
  ArenaOptions options;
  options.max_pages = 4096;
  return std::move(Arena::Create(options)).value();
}

inline uint64_t BlocksInUse(Heap heap) { return heap.Stats().value().blocks_in_use; }

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_SMALL_ARENA_H_
