// SPDX-License-Identifier: Apache-2.0
//
// ConditionVariable and OnceFlag as they answer; kills at random moments are sync_kill_test's.
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "tests/support/objects_in_arena.h"
#include "uarena/arena.h"
#include "uarena/condition_variable.h"
#include "uarena/mutex.h"
#include "uarena/once.h"

namespace uarena {
namespace {

using std::chrono::milliseconds;
using testing::Fork;
using testing::Wait;

constexpr auto kNothing = [] {};
constexpr auto kUnexpected = [] { abort(); };

struct Objects {
  Mutex mutex;
  ConditionVariable changed;
  OnceFlag once;
  std::atomic<int> step;
  std::atomic<int> calls;
  int turn;
};

class ConditionOnceTest : public testing::ObjectsInArenaTest<Objects> {};

// Each wakes the next. Were wake-ups lost, it would take 100 ms for each.
TEST_F(ConditionOnceTest, ProcessesTakeTurns) {
  constexpr int kTurns = 3000;
  constexpr int kPlayers = 3;
  const auto play = [&](int me) {
    for (int turn = me; turn < kTurns; turn += kPlayers) {
      MutexLock lock(objects_->mutex, kUnexpected);
      objects_->changed.Wait(lock, [&] { return objects_->turn == turn; });
      ++objects_->turn;
      objects_->changed.NotifyAll();
    }
    return 0;
  };
  const auto start = std::chrono::steady_clock::now();
  const pid_t one = Fork([&] { return play(1); });
  const pid_t two = Fork([&] { return play(2); });
  play(0);
  EXPECT_EQ(Wait(one), 0);
  EXPECT_EQ(Wait(two), 0);
  EXPECT_EQ(objects_->turn, kTurns);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(ConditionOnceTest, NotifyOneWakesOneEach) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      MutexLock lock(objects_->mutex, kUnexpected);
      objects_->changed.Wait(lock, [&] { return objects_->turn > 0; });
      --objects_->turn;
    });
  }
  for (int i = 0; i < 4; ++i) {
    const MutexLock lock(objects_->mutex, kUnexpected);
    ++objects_->turn;
    objects_->changed.NotifyOne();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(objects_->turn, 0);
}

TEST_F(ConditionOnceTest, WaitsAreLimited) {
  ASSERT_EQ(objects_->mutex.Lock(), LockOutcome::kClean);
  const auto start = std::chrono::steady_clock::now();
  const auto never = [] { return false; };
  EXPECT_EQ(objects_->changed.WaitFor(objects_->mutex, milliseconds(130), never),
            WaitOutcome::kTimedOut);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(130));
  objects_->mutex.AssertHeld();
  EXPECT_EQ(objects_->changed.WaitFor(objects_->mutex, milliseconds(-1)), WaitOutcome::kTimedOut);
  EXPECT_EQ(objects_->changed.WaitFor(objects_->mutex, milliseconds(0), [] { return true; }),
            WaitOutcome::kClean);
  objects_->mutex.Unlock();
  MutexLock lock(objects_->mutex, kNothing);
  EXPECT_FALSE(objects_->changed.WaitUntil(lock, start + milliseconds(150), never));
  EXPECT_TRUE(objects_->changed.WaitFor(lock, milliseconds(0), [] { return true; }));
}

// Somebody dies with the mutex while we wait for something else.
TEST_F(ConditionOnceTest, AWaitTellsOfADeadOwner) {
  const auto fork_owner = [&] {
    return Fork([&] {
      static_cast<void>(objects_->mutex.Lock());
      kill(getpid(), SIGKILL);
      return 0;
    });
  };
  const auto never = [] { return false; };
  ASSERT_EQ(objects_->mutex.Lock(), LockOutcome::kClean);
  pid_t child = fork_owner();
  EXPECT_EQ(objects_->changed.Wait(objects_->mutex, never), LockOutcome::kOwnerDied);
  objects_->mutex.MarkRepaired();
  Wait(child);
  child = fork_owner();
  EXPECT_EQ(objects_->changed.WaitFor(objects_->mutex, std::chrono::seconds(20), never),
            WaitOutcome::kOwnerDied);
  objects_->mutex.MarkRepaired();
  objects_->mutex.Unlock();
  Wait(child);

  bool repaired = false;
  MutexLock lock(objects_->mutex, [&] {
    if (std::exchange(repaired, true)) return;
    throw std::runtime_error("the first time");
  });
  child = fork_owner();
  EXPECT_THROW(objects_->changed.Wait(lock, [&] { return repaired; }), std::runtime_error);
  objects_->mutex.AssertHeld();
  objects_->mutex.MarkRepaired();
  Wait(child);
}

// The change was made, the Notify was not: late, not lost.
TEST_F(ConditionOnceTest, ANotifyThatNeverComesIsNotNeeded) {
  const pid_t child = Fork([&] {
    const MutexLock lock(objects_->mutex, kUnexpected);
    objects_->turn = 1;
    objects_->mutex.Unlock();
    kill(getpid(), SIGKILL);
    return 0;
  });
  MutexLock lock(objects_->mutex, kUnexpected);
  objects_->changed.Wait(lock, [&] { return objects_->turn == 1; });
  EXPECT_EQ(Wait(child), 1000 + SIGKILL);
}

TEST_F(ConditionOnceTest, OneCallAmongAll) {
  std::vector<pid_t> children;
  children.reserve(4);
  for (int i = 0; i < 4; ++i) {
    children.push_back(Fork([&] {
      CallOnce(objects_->once, [&](LockOutcome before) {
        if (before != LockOutcome::kClean) abort();
        usleep(20'000);
        objects_->calls.fetch_add(1);
      });
      return objects_->calls.load() == 1 && objects_->once.done() ? 0 : 1;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(objects_->calls.load(), 1);
  CallOnce(objects_->once, [](LockOutcome) { FAIL(); });
}

TEST_F(ConditionOnceTest, ACallThatThrowsOrDiesWasNone) {
  const auto throws = [](LockOutcome) { throw std::runtime_error("no"); };
  EXPECT_THROW(CallOnce(objects_->once, throws), std::runtime_error);
  EXPECT_FALSE(objects_->once.done());
  const pid_t child = Fork([&] {
    CallOnce(objects_->once, [&](LockOutcome before) {
      objects_->step.store(before == LockOutcome::kClean ? 1 : 2);
      pause();
    });
    return 0;
  });
  WaitForStep(1);
  kill(child, SIGSTOP);
  std::thread waiter([&] {
    EXPECT_THROW(CallOnce(objects_->once,
                          [&](LockOutcome before) {
                            EXPECT_EQ(before, LockOutcome::kOwnerDied);
                            objects_->calls.fetch_add(1);
                            throw std::runtime_error("still no");
                          }),
                 std::runtime_error);
  });
  std::this_thread::sleep_for(milliseconds(60));
  EXPECT_EQ(objects_->calls.load(), 0) << "a stopped process is not dead";
  kill(child, SIGKILL);
  EXPECT_EQ(Wait(child), 1000 + SIGKILL);
  waiter.join();
  EXPECT_EQ(objects_->calls.load(), 1);
  CallOnce(objects_->once, [&](LockOutcome before) {
    EXPECT_EQ(before, LockOutcome::kOwnerDied) << "whoever threw had not repaired it";
    objects_->calls.fetch_add(1);
  });
  EXPECT_TRUE(objects_->once.done());
  EXPECT_EQ(objects_->calls.load(), 2);
}

}  // namespace
}  // namespace uarena
