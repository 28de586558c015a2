// SPDX-License-Identifier: Apache-2.0
//
// What all processes of a soak share, besides the arenas: who owns which page and what must be in
// it. It is a memfd that the parent passes on, so it outlives whoever is killed.
#ifndef UARENA_TESTS_SOAK_BOARD_H_
#define UARENA_TESTS_SOAK_BOARD_H_

#include <atomic>
#include <cstdint>
#include <string>

namespace uarena::soak {

inline constexpr uint32_t kArenas = 32;
inline constexpr uint32_t kMostClients = 64;
inline constexpr uint64_t kPages = 2048;
inline constexpr uint64_t kSlice = kPages / kMostClients;
inline constexpr uint32_t kMostRun = 4;  // pages of one AllocPages

// What a page must hold: client (8 bits) << 56 | generation. 0: nobody's.
using Stamp = uint64_t;
// Set while the page is being written, allocated or freed: a kill may leave it either way.
inline constexpr Stamp kInFlux = uint64_t{1} << 55;

inline Stamp MakeStamp(uint32_t client, uint64_t generation) {
  return uint64_t{client + 1} << 56 | (generation & (kInFlux - 1));
}
inline uint32_t ClientOf(Stamp stamp) { return static_cast<uint32_t>(stamp >> 56) - 1; }

struct ClientState {
  std::atomic<uint64_t> steps;  // grows as long as it is not stuck
  std::atomic<uint64_t> faults;
  std::atomic<uint64_t> generation;
  std::atomic<uint32_t> mode;
};

struct Board {
  std::atomic<bool> stop;
  std::atomic<bool> failed;
  ClientState clients[kMostClients];
  std::atomic<Stamp> pages[kArenas][kPages];
};

inline std::string ArenaName(uint32_t arena) { return "soak-" + std::to_string(arena); }
// In every second arena pages are allocated where they fit; in the others each client has a slice
// of its own, whose pages it touches.
inline bool Allocating(uint32_t arena) { return arena % 2 == 1; }

// Whether a page holds the stamp, at both ends.
inline bool Holds(const void* page, uint64_t page_size, Stamp stamp) {
  const auto* words = static_cast<const volatile uint64_t*>(page);
  return words[0] == stamp && words[page_size / 8 - 1] == stamp;
}

// One client's life, until the board says stop. Its exit status.
int RunClient(Board& board, uint32_t id, const std::string& socket);

}  // namespace uarena::soak

#endif  // UARENA_TESTS_SOAK_BOARD_H_
