// SPDX-License-Identifier: Apache-2.0
//
// What is done to one block: its first and its last byte are written when it is allocated, and read
// back before it is freed, as the least that a program does.
#ifndef UARENA_BENCH_OBJECTS_BLOCK_H_
#define UARENA_BENCH_OBJECTS_BLOCK_H_

#include <cstddef>
#include <cstdint>

namespace uarena::bench {

inline void WriteEnds(void* block, size_t size, uint8_t tag) {
  auto* bytes = static_cast<uint8_t*>(block);
  bytes[0] = tag;
  bytes[size - 1] = static_cast<uint8_t>(~tag);
}

// For blocks of two bytes or more.
inline bool HoldsEnds(const void* block, size_t size, uint8_t tag) {
  const auto* bytes = static_cast<const uint8_t*>(block);
  return bytes[0] == tag && bytes[size - 1] == static_cast<uint8_t>(~tag);
}

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_BLOCK_H_
