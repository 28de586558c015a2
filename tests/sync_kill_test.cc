// SPDX-License-Identifier: Apache-2.0
//
// Processes that share locks are killed at random moments, and stopped. What must hold:
//
// - Nobody is where another is that excludes it, be the other stopped.
// - What is found without kOwnerDied is consistent.
// - One death is told of exactly once, until it is repaired, if the lock was held; never if it was
//   not. (While it is being taken or given back, either is right.)
// - The others go on.
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "tests/support/lock_worker.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Board;
using testing::Fork;
using testing::kInside;
using testing::kOutside;
using testing::kWorkers;
using testing::Objects;
using testing::Phase;
using testing::Shared;
using testing::Wait;
using testing::Worker;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kRounds = 40;
#else
constexpr int kRounds = 250;
#endif

class SyncKillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ArenaOptions options;
    options.max_pages = 64;
    arena_ = std::make_unique<Arena>(std::move(Arena::Create(options)).value());
    const uint64_t pages = sizeof(Objects) / arena_->page_size() + 1;
    objects_ = static_cast<Objects*>(arena_->AllocPages(nullptr, pages).value());
  }

  void AwaitProgress(const Board& board, int first) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (int id = first; id < kWorkers; ++id) {
      const uint64_t before = board.steps[id].load();
      while (board.steps[id].load() < before + 5 && !board.failed.load()) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline) << id << " waits for ever";
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    }
  }

  // `acts`: how many it takes to be told of every death.
  void Attack(const std::function<void(Worker&)>& act, int acts = 1) {
    std::mt19937_64 random(7);
    int deaths_inside = 0;
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(absl::StrCat("round ", round));
      const Shared<Board> board;
      objects_->inside.store(0);
      for (auto& reading : objects_->reading) reading.store(0);
      memset(static_cast<void*>(objects_->once), 0, sizeof(objects_->once));
      pid_t workers[kWorkers];
      for (int id = 0; id < kWorkers; ++id) {
        workers[id] = Fork([&, id, seed = random()] {
          Worker worker(*objects_, *board, id, seed);
          while (!board->stop.load()) {
            act(worker);
            board->steps[id].fetch_add(1);
            worker.Spend(300);
          }
          return 0;
        });
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
      const int victims = random() % 4 == 0 ? 2 : 1;
      for (int id = 0; id < victims; ++id) {
        board->kills.fetch_add(1);
        kill(workers[id], SIGKILL);
        EXPECT_EQ(Wait(workers[id]), 1000 + SIGKILL);
      }
      if (random() % 4 == 0) {
        kill(workers[3], SIGSTOP);
        usleep(50'000);  // for longer than an owner is trusted unseen
        kill(workers[3], SIGCONT);
      }
      AwaitProgress(*board, 2);
      board->stop.store(true);
      for (int id = victims; id < kWorkers; ++id) ASSERT_EQ(Wait(workers[id]), 0);

      // What the others had no more occasion to be told.
      Worker last(*objects_, *board, kWorkers - 1, 0);
      board->steps[kWorkers - 1].store(0);
      for (int i = 0; i < acts; ++i) {
        act(last);
        board->steps[kWorkers - 1].fetch_add(1);
      }
      ASSERT_FALSE(board->failed.load());
      int least = 0;
      int most = 0;
      for (int id = 0; id < victims; ++id) {
        const Phase phase = board->phase[id].load();
        // Of two that die inside, the second may have been repairing what the first left.
        if (phase == kInside) least = 1;
        if (phase != kOutside) ++most;
        deaths_inside += phase == kInside;
      }
      EXPECT_GE(board->deaths_told.load(), least);
      EXPECT_LE(board->deaths_told.load(), most);
    }
    EXPECT_GT(deaths_inside, kRounds / 50) << "the test attacks something else";
  }

  std::unique_ptr<Arena> arena_;
  Objects* objects_ = nullptr;
};

TEST_F(SyncKillTest, Mutex) {
  Attack([](Worker& worker) { worker.WithMutex(); });
}

TEST_F(SyncKillTest, SharedMutex) {
  Attack([](Worker& worker) { worker.WithSharedMutex(); });
}

TEST_F(SyncKillTest, ConditionVariable) {
  Attack([](Worker& worker) { worker.WithConditionVariable(); });
}

TEST_F(SyncKillTest, OnceFlag) {
  Attack([](Worker& worker) { worker.WithOnceFlag(); }, testing::kFlags);
}

}  // namespace
}  // namespace uarena
