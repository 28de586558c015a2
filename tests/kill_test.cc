// SPDX-License-Identifier: Apache-2.0
//
// Processes that work on one arena are killed, or stopped, at random moments. The others must go
// on, and after recovery every invariant must hold and everything must be free again once it is
// freed.
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Shared;
using testing::Wait;

constexpr uint64_t kPages = 2048;
constexpr int kWorkers = 3;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kRounds = 40;
#else
constexpr int kRounds = 300;
#endif

struct Board {
  std::atomic<uint64_t> steps[kWorkers];
  std::atomic<bool> stop;
  std::atomic<bool> failed;
};

// Allocates, frees, reserves, touches and sets roots; its own pages carry its mark.
int Work(Arena& arena, Board& board, int id, uint64_t seed) {
  std::mt19937_64 random(seed);
  struct Run {
    char* first;
    uint64_t count;
    bool reserved;
  };
  std::vector<Run> runs;
  auto* base = static_cast<char*>(arena.base());
  const uint64_t page_size = arena.page_size();
  while (!board.stop.load(std::memory_order_relaxed)) {
    const uint64_t count = random() % 20 + 1;
    switch (random() % 6) {
      case 0:
      case 1: {
        const auto pages = arena.AllocPages(nullptr, count);
        if (!pages.ok()) break;
        auto* first = static_cast<char*>(*pages);
        for (uint64_t i = 0; i < count; ++i) {
          if (first[i * page_size] != 0) {
            fprintf(stderr, "worker %d: page %lu is not zero\n", id,
                    (first - base) / page_size + i);
            board.failed.store(true);
            return 1;
          }
          first[i * page_size] = static_cast<char>(id + 1);
        }
        runs.push_back({first, count, false});
        break;
      }
      case 2: {
        char* first = base + random() % (kPages - count) * page_size;
        if (arena.ReservePages(first, count).ok()) runs.push_back({first, count, true});
        break;
      }
      case 3:
      case 4:
        if (!runs.empty()) {
          const size_t index = random() % runs.size();
          const Run run = runs[index];
          runs[index] = runs.back();
          runs.pop_back();
          for (uint64_t i = 0; i < run.count && !run.reserved; ++i) {
            if (run.first[i * page_size] != static_cast<char>(id + 1)) {
              fprintf(stderr, "worker %d: a write was lost\n", id);
              board.failed.store(true);
              return 1;
            }
          }
          if (!arena.FreePages(run.first, run.count).ok()) return 2;
        }
        break;
      case 5: {
        // Pages that nobody owns; in order, so that neighbours are populated ahead.
        auto* page = static_cast<volatile char*>(base + random() % (kPages - count) * page_size);
        for (uint64_t i = 0; i < count; ++i) static_cast<void>(page[i * page_size]);
        arena.SetRoot("root", base + random() % kPages * page_size).IgnoreError();
        break;
      }
    }
    board.steps[id].fetch_add(1, std::memory_order_relaxed);
  }
  return 0;
}

class KillTest : public ::testing::TestWithParam<FaultMode> {};

TEST_P(KillTest, AnyInstantLeavesTheArenaUsable) {
#if defined(__SANITIZE_THREAD__)
  if (GetParam() == FaultMode::kThread) {
    GTEST_SKIP() << "ThreadSanitizer does not know threads that a forked child starts";
  }
#endif
  ArenaOptions options;
  options.max_pages = kPages;
  options.fault_mode = GetParam();
  absl::StatusOr<Arena> arena = Arena::Create(options);
  ASSERT_TRUE(arena.ok()) << arena.status();
  std::mt19937_64 random(42);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    Shared<Board> board;
    pid_t workers[kWorkers];
    for (int id = 0; id < kWorkers; ++id) {
      workers[id] = Fork([&, id, seed = random()] { return Work(*arena, *board, id, seed); });
    }
    // The first is killed, the second stopped for a while; the third must not notice either.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
    kill(workers[0], SIGKILL);
    kill(workers[1], SIGSTOP);
    EXPECT_EQ(Wait(workers[0]), 1000 + SIGKILL);
    const uint64_t before = board->steps[2].load();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (board->steps[2].load() < before + 20 && !board->failed.load() &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_GE(board->steps[2].load(), before + 20)
        << "somebody waits for the killed or the stopped";
    board->stop.store(true);
    kill(workers[1], SIGCONT);
    EXPECT_EQ(Wait(workers[1]), 0);
    EXPECT_EQ(Wait(workers[2]), 0);
    ASSERT_FALSE(board->failed.load());

    const absl::StatusOr<int> dead = arena->Recover();
    ASSERT_TRUE(dead.ok()) << dead.status();
    EXPECT_LE(*dead, kWorkers);  // the workers recover each other, too
    ASSERT_EQ(arena->CheckInvariants(), absl::OkStatus());
    // Whatever they had is still theirs; nothing keeps it from being freed.
    arena->FreePages(arena->base(), kPages).IgnoreError();
    ASSERT_EQ(arena->CheckInvariants(), absl::OkStatus());
    const absl::StatusOr<ArenaStats> stats = arena->Stats();
    ASSERT_TRUE(stats.ok());
    EXPECT_EQ(stats->free_pages, kPages);
    EXPECT_EQ(stats->processes, 1u);
    const absl::StatusOr<void*> all = arena->AllocPages(nullptr, kPages);
    ASSERT_TRUE(all.ok()) << all.status();
    ASSERT_TRUE(arena->FreePages(*all, kPages).ok());
    EXPECT_EQ(arena->Stats()->populated_pages, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, KillTest,
                         ::testing::Values(FaultMode::kInPlace, FaultMode::kThread),
                         [](const auto& test) {
                           return test.param == FaultMode::kInPlace ? "inplace" : "thread";
                         });

}  // namespace
}  // namespace uarena
