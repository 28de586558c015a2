// SPDX-License-Identifier: Apache-2.0
///
/// What an arena and a process attached to it have done so far.
#ifndef UARENA_STATS_H_
#define UARENA_STATS_H_

#include <array>
#include <cstdint>

namespace uarena {

/// Faults of one process in one arena. Histograms count in powers of two: bucket i holds values v
/// with 2^i <= v < 2^(i+1); bucket 0 also holds 0.
struct FaultStats {
  uint64_t faults = 0;           ///< touches that needed resolving
  uint64_t pages_populated = 0;  ///< pages those made resident or mapped
  /// Nanoseconds spent resolving, all faults together. What the kernel needs to raise the fault
  /// and, in the thread and served modes, to hand it over is not in it. Counted after the toucher
  /// has been woken, so the newest fault may be missing for a moment.
  uint64_t resolve_ns = 0;
  std::array<uint64_t, 16> batch_pages{};      ///< pages mapped by one fault
  std::array<uint64_t, 32> resolve_ns_log2{};  ///< nanoseconds that one fault took to resolve
};

struct ArenaStats {
  uint64_t max_pages = 0;
  uint64_t page_size = 0;  ///< bytes
  uint64_t allocated_pages =
      0;  ///< by AllocPages, or by a touch that was seen or has left its mark
  uint64_t reserved_pages = 0;
  uint64_t ahead_pages = 0;      ///< populated by a fault nearby; neither free nor allocated
  uint64_t free_pages = 0;       ///< kept ones among them
  uint64_t kept_pages = 0;       ///< free, and kept populated by the process that freed them
  uint64_t populated_pages = 0;  ///< pages that hold memory
  uint64_t processes = 0;        ///< attached now
  FaultStats faults;             ///< of this process
};

}  // namespace uarena

#endif  // UARENA_STATS_H_
