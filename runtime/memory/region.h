// SPDX-License-Identifier: Apache-2.0
//
// The address space of an arena: the counterpart of the kernel's get_vm_area().
//
// Example: base 0x2a00'0000'0000, 4 GiB. One PROT_NONE reservation covers
// [0x29ff'ffff'8000, 0x2a01'0000'8000): a 32 KiB guard, the arena, a 32 KiB guard. MapBacking puts
// the data memfd over the middle; nothing else is ever mapped inside.
#ifndef UARENA_MEMORY_REGION_H_
#define UARENA_MEMORY_REGION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "memory/geometry.h"

namespace uarena {

// The kernel's rules on where an arena may be (arena_map_alloc): page aligned, and an arena of at
// most 4 GiB does not cross a 4 GiB boundary. `base` 0 means "anywhere" and passes.
absl::Status CheckPlacement(uint64_t base, uint64_t bytes, uint64_t page_size);

// A base to try, at random: a multiple of 4 GiB, away from what the kernel and the sanitizers
// use. Random, so that arenas made in different processes can meet in a third.
uint64_t RandomBase(uint64_t bytes);

// Owns a reserved range of address space; unmaps it, and what was mapped into it, at the end.
class Region {
 public:
  // Reserves guards and `bytes` at `base`, or at a RandomBase if 0. Errors: AlreadyExists naming
  // the mapping that is in the way; ResourceExhausted (address space, RLIMIT_AS).
  static absl::StatusOr<Region> Reserve(uint64_t base, uint64_t bytes, uint64_t page_size);

  Region() = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();

  // Maps the data memfd over the whole arena, shared and writable.
  absl::Status MapBacking(int fd);

  uint64_t base() const { return base_; }
  uint64_t bytes() const { return bytes_; }

 private:
  Region(uint64_t base, uint64_t bytes) : base_(base), bytes_(bytes) {}
  void Release();

  uint64_t base_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace uarena

#endif  // UARENA_MEMORY_REGION_H_
