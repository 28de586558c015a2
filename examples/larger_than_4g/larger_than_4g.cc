// SPDX-License-Identifier: Apache-2.0
//
// larger_than_4g [GIB]
//
// A sparse arena of 1 TiB, or of GIB GiB: writes to pages drawn at random from all of it, reads
// them back, and shows that it costs the memory of the pages that were touched. Needs no daemon.
#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <unordered_map>

#include "uarena/arena.h"

namespace {

constexpr uint64_t kWrites = 20'000;

// A line of /proc/self/status such as "VmRSS:", in KiB.
uint64_t StatusKib(const char* name) {
  FILE* const file = fopen("/proc/self/status", "re");
  if (file == nullptr) return 0;
  char line[256];
  uint64_t kib = 0;
  while (fgets(line, sizeof(line), file) != nullptr) {
    if (strncmp(line, name, strlen(name)) == 0) sscanf(line + strlen(name), "%" SCNu64, &kib);
  }
  fclose(file);
  return kib;
}

int Fail(const absl::Status& status) {
  fprintf(stderr, "larger_than_4g: %s\n", status.ToString().c_str());
  return 1;
}

// Notes in `written` what is where, one number on a page; a page may be drawn twice.
void Scatter(const uarena::Arena& arena, std::unordered_map<uint64_t*, uint64_t>& written) {
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < kWrites; ++i) {
    const uint64_t page = random() % arena.max_pages();
    const uint64_t within = page % (arena.page_size() / sizeof(uint64_t));
    auto* const at =
        reinterpret_cast<uint64_t*>(static_cast<char*>(arena.base()) + page * arena.page_size()) +
        within;
    *at = i + 1;
    written[at] = i + 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t gib = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1024;
  const uarena::KernelAbilities kernel = uarena::ProbeKernel();
  uarena::ArenaOptions options;
  options.max_pages = (gib << 30) / kernel.page_size;
  const absl::StatusOr<uarena::Arena> arena = uarena::Arena::Create(options);
  if (!arena.ok()) return Fail(arena.status());
  printf("an arena of %" PRIu64 " pages of %zu bytes, %" PRIu64 " GiB, at %p (%s)\n",
         arena->max_pages(), arena->page_size(), gib, arena->base(),
         arena->fault_mode_reason().c_str());
  const uint64_t before = StatusKib("VmRSS:");
  printf("resident at first:  %8" PRIu64 " KiB\n", before);

  std::unordered_map<uint64_t*, uint64_t> written;
  Scatter(*arena, written);
  uint64_t wrong = 0;
  uint64_t above_4g = 0;
  for (const auto& [at, value] : written) {
    wrong += *at != value ? 1 : 0;
    above_4g += reinterpret_cast<char*>(at) - static_cast<char*>(arena->base()) >= 4LL << 30;
  }

  const absl::StatusOr<uarena::ArenaStats> stats = arena->Stats();
  if (!stats.ok()) return Fail(stats.status());
  const double ratio =
      static_cast<double>(stats->populated_pages) / static_cast<double>(written.size());
  printf("wrote and read back %zu numbers, %" PRIu64 " of them beyond the first 4 GiB; %" PRIu64
         " were wrong\n",
         written.size(), above_4g, wrong);
  // The arena is shared memory: its pages, and its control memory, which keeps account of them.
  const uint64_t pages_kib = stats->populated_pages * stats->page_size / 1024;
  const uint64_t shared_kib = StatusKib("RssShmem:");
  printf("resident now:       %8" PRIu64 " KiB, of which %" PRIu64
         " KiB are the arena's pages and %" PRIu64 " KiB its free ranges and page states\n",
         StatusKib("VmRSS:"), pages_kib, shared_kib - std::min(shared_kib, pages_kib));
  printf("pages touched %zu, allocated %" PRIu64 ", populated %" PRIu64
         ": %.3f populated for each touched\n",
         written.size(), stats->allocated_pages, stats->populated_pages, ratio);
  if (wrong == 0 && ratio <= 1.25) return 0;
  fprintf(stderr, "larger_than_4g: wrong numbers, or more than 1.25 pages for each touched\n");
  return 1;
}
