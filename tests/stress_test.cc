// SPDX-License-Identifier: Apache-2.0
//
// Two processes of two threads each allocate, free and touch at random under each fault mode, for
// UARENA_STRESS_SECONDS (60; 5 under sanitizers).
//
// Invariants, each checked at every step by whoever may break it:
//   - a page has one owner: taking it in a table beside the arena must find it ownerless;
//   - a page that AllocPages returns, and one that is touched after it was freed, is zero in every
//   byte;
//   - what an owner wrote is there until it frees the page.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Shared;
using testing::TestDaemon;
using testing::Wait;

constexpr uint64_t kPages = 4096;
constexpr int kThreads = 2;
constexpr int kProcesses = 2;

int Seconds() {
  if (const char* seconds = getenv("UARENA_STRESS_SECONDS"); seconds != nullptr) {
    return atoi(seconds);
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 5;
#else
  return 60;
#endif
}

struct Board {
  std::atomic<uint32_t> owner[kPages];  // of pages that AllocPages gave
  std::atomic<uint64_t> steps;
  std::atomic<bool> failed;
};

// One thread's part. Every page that it owns is stamped with a word that names owner, page and
// generation.
class Worker {
 public:
  Worker(Arena& allocating, Arena& touching, Board& board, uint32_t id)
      : allocating_(allocating), touching_(touching), board_(board), id_(id), random_(id) {}

  void Run(std::chrono::steady_clock::time_point end) {
    touched_.assign(kPages, 0);
    while (!board_.failed.load() && std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 50 && !board_.failed.load(); ++i) Step();
      board_.steps.fetch_add(50);
    }
  }

 private:
  struct Pages {
    uint64_t first;
    uint64_t count;
    uint64_t stamp;
  };

  void Fail(const char* what, uint64_t page, uint64_t detail) {
    fprintf(stderr, "worker %u: %s, page %lu (%lx)\n", id_, what, page, detail);
    board_.failed.store(true);
  }

  void Step() {
    switch (random_() % 8) {
      case 0:
      case 1:
        Allocate(false);
        break;
      case 2:
        Allocate(true);
        break;
      case 3:
      case 4:
        Free();
        break;
      case 5:
        Verify();
        break;
      default:
        Touch();
    }
  }

  uint64_t* Word(Arena& arena, uint64_t page, uint64_t word = 0) {
    return reinterpret_cast<uint64_t*>(static_cast<char*>(arena.base()) +
                                       page * arena.page_size()) +
           word;
  }

  bool AllZero(Arena& arena, uint64_t page) {
    const uint64_t* words = Word(arena, page);
    for (uint64_t i = 0; i < arena.page_size() / 8; ++i) {
      if (words[i] != 0) {
        Fail("a fresh page holds a stale byte", page, words[i]);
        return false;
      }
    }
    return true;
  }

  void Allocate(bool exact) {
    if (runs_.size() > 100) return Free();
    const uint64_t count = random_() % 10 == 0 ? random_() % 300 + 1 : random_() % 6 + 1;
    void* at = exact ? Word(allocating_, random_() % (kPages - count)) : nullptr;
    const absl::StatusOr<void*> pages = allocating_.AllocPages(at, count);
    if (!pages.ok()) return;
    const uint64_t first = (reinterpret_cast<uint64_t*>(*pages) - Word(allocating_, 0)) /
                           (allocating_.page_size() / 8);
    const Pages run{first, count, ++generation_ << 32 | id_};
    for (uint64_t page = first; page < first + count; ++page) {
      uint32_t nobody = 0;
      if (!board_.owner[page].compare_exchange_strong(nobody, id_)) {
        return Fail("a page was handed to two owners", page, nobody);
      }
      if (!AllZero(allocating_, page)) return;
      *Word(allocating_, page) = run.stamp;
      *Word(allocating_, page, allocating_.page_size() / 8 - 1) = run.stamp;
    }
    runs_.push_back(run);
  }

  bool Intact(const Pages& run) {
    for (uint64_t page = run.first; page < run.first + run.count; ++page) {
      for (const uint64_t word : {uint64_t{0}, allocating_.page_size() / 8 - 1}) {
        if (*Word(allocating_, page, word) != run.stamp) {
          Fail("a write was lost", page, *Word(allocating_, page, word));
          return false;
        }
      }
    }
    return true;
  }

  void Free() {
    if (runs_.empty()) return;
    const size_t index = random_() % runs_.size();
    const Pages run = runs_[index];
    if (!Intact(run)) return;
    runs_[index] = runs_.back();
    runs_.pop_back();
    for (uint64_t page = run.first; page < run.first + run.count; ++page) {
      board_.owner[page].store(0);
    }
    const absl::Status status = allocating_.FreePages(Word(allocating_, run.first), run.count);
    if (!status.ok()) {
      fprintf(stderr, "%s\n", status.ToString().c_str());
      Fail("freeing failed", run.first, run.count);
    }
  }

  void Verify() {
    if (!runs_.empty()) Intact(runs_[random_() % runs_.size()]);
  }

  // In the other arena a thread touches only pages of its own, with other threads' in between.
  void Touch() {
    uint64_t page = random_() % (kPages / 4) * 4 + id_ - 1;
    const uint64_t run = random_() % 4 == 0 ? random_() % 64 : 1;
    for (uint64_t i = 0; i < run && page < kPages; ++i, page += 4) {
      uint64_t& expected = touched_[page];
      if (expected == 0) {
        if (!AllZero(touching_, page)) return;
      } else if (*Word(touching_, page) != expected) {
        return Fail("a touched page lost a write", page, *Word(touching_, page));
      }
      if (expected != 0 && random_() % 2 == 0) {
        touching_.FreePages(Word(touching_, page), 1).IgnoreError();
        expected = 0;
      } else {
        expected = ++generation_ << 32 | id_;
        *Word(touching_, page) = expected;
      }
    }
  }

  Arena& allocating_;
  Arena& touching_;
  Board& board_;
  const uint32_t id_;
  std::mt19937_64 random_;
  uint64_t generation_ = 0;
  std::vector<Pages> runs_;
  std::vector<uint64_t> touched_;
};

class StressTest : public ::testing::TestWithParam<FaultMode> {};

TEST_P(StressTest, PagesHaveOneOwnerAndKeepTheirContents) {
  const FaultMode mode = GetParam();
  TestDaemon daemon;
  ArenaOptions options;
  options.max_pages = kPages;
  options.fault_mode = mode;
  options.socket_path = daemon.socket();
  Shared<Board> board;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(Seconds());
  std::vector<pid_t> children;
  for (uint32_t process = 0; process < kProcesses; ++process) {
    children.push_back(Fork([&, process] {
      absl::StatusOr<Arena> allocating = Arena::Open("allocating", options);
      absl::StatusOr<Arena> touching = Arena::Open("touching", options);
      if (!allocating.ok() || !touching.ok()) {
        fprintf(stderr, "%s %s\n", allocating.status().ToString().c_str(),
                touching.status().ToString().c_str());
        return 1;
      }
      std::vector<std::thread> threads;
      for (uint32_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, id = process * kThreads + thread + 1] {
          Worker(*allocating, *touching, *board, id).Run(end);
        });
      }
      for (std::thread& thread : threads) thread.join();
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_FALSE(board->failed.load());
  EXPECT_GT(board->steps.load(), 1000u);
  options.fault_mode = FaultMode::kAuto;
  absl::StatusOr<Arena> allocating = Arena::Open("allocating", options);
  absl::StatusOr<Arena> touching = Arena::Open("touching", options);
  ASSERT_TRUE(allocating.ok() && touching.ok()) << allocating.status() << touching.status();
  ASSERT_TRUE(allocating->Recover().ok());
  ASSERT_TRUE(touching->Recover().ok());
  EXPECT_EQ(allocating->CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(touching->CheckInvariants(), absl::OkStatus());
  uint64_t owned = 0;
  for (const auto& owner : board->owner) owned += owner.load() != 0;
  EXPECT_EQ(allocating->Stats()->allocated_pages, owned);
  printf("%lu steps\n", board->steps.load());
}

INSTANTIATE_TEST_SUITE_P(Modes, StressTest,
                         ::testing::Values(FaultMode::kInPlace, FaultMode::kThread,
                                           FaultMode::kServed, FaultMode::kKernel),
                         [](const auto& test) {
                           std::string name(FaultModeName(test.param));
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace uarena
