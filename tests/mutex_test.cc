// SPDX-License-Identifier: Apache-2.0
//
// Mutex as it answers; kills at random moments are sync_kill_test's.
#include "uarena/mutex.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "client/attached.h"
#include "gtest/gtest.h"
#include "pages/operation.h"
#include "tests/support/arena_process.h"
#include "tests/support/objects_in_arena.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using std::chrono::milliseconds;
using testing::Fork;
using testing::Shared;
using testing::Wait;

constexpr auto kNothing = [] {};

// What lies in the arena; zeroed memory, nothing is constructed.
struct Objects {
  Mutex mutex;
  std::atomic<int> step;
  int value;
};

class MutexTest : public testing::ObjectsInArenaTest<Objects> {
 protected:
  // A child that has the mutex, says so by step 1, and waits to be killed.
  pid_t ForkOwner() {
    objects_->step.store(0);
    const pid_t child = Fork([&] {
      static_cast<void>(objects_->mutex.Lock());
      objects_->step.store(1);
      pause();
      return 0;
    });
    WaitForStep(1);
    return child;
  }
};

TEST_F(MutexTest, OneThreadAtATime) {
  Mutex& mutex = objects_->mutex;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        const MutexLock lock(mutex, kNothing);
        ++objects_->value;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(objects_->value, 60'000);
  ASSERT_EQ(mutex.Lock(), LockOutcome::kClean);
  std::thread([&] {
    EXPECT_EQ(mutex.TryLock(), TryLockOutcome::kBusy);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(mutex.LockFor(milliseconds(40)), TryLockOutcome::kBusy);
    EXPECT_EQ(mutex.LockUntil(start + milliseconds(60)), TryLockOutcome::kBusy);
    EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(60));
  }).join();
  EXPECT_EQ(mutex.TryLock(), TryLockOutcome::kBusy) << "its own thread has it";
  mutex.AssertHeld();
  mutex.Unlock();
  EXPECT_EQ(mutex.TryLock(), TryLockOutcome::kClean);
  mutex.Unlock();
}

TEST_F(MutexTest, OneProcessAtATime) {
  std::vector<pid_t> children;
  children.reserve(4);
  for (int i = 0; i < 4; ++i) {
    children.push_back(Fork([&] {
      for (int n = 0; n < 20'000; ++n) {
        const MutexLock lock(objects_->mutex, [] { abort(); });
        ++objects_->value;
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(objects_->value, 80'000);
}

TEST_F(MutexTest, ADeadOwnerIsReportedUntilRepaired) {
  Mutex& mutex = objects_->mutex;
  Kill(ForkOwner());
  EXPECT_EQ(mutex.TryLock(), TryLockOutcome::kOwnerDied);
  mutex.Unlock();
  EXPECT_EQ(mutex.Lock(), LockOutcome::kOwnerDied);
  mutex.Unlock();
  EXPECT_EQ(mutex.LockFor(milliseconds(0)), TryLockOutcome::kOwnerDied);
  mutex.MarkRepaired();
  mutex.Unlock();
  EXPECT_EQ(mutex.Lock(), LockOutcome::kClean);
  mutex.Unlock();
}

TEST_F(MutexTest, AWaiterGetsWhatADeadOwnerHad) {
  const pid_t child = ForkOwner();
  std::thread killer([&] {
    std::this_thread::sleep_for(milliseconds(30));
    Kill(child);
  });
  EXPECT_EQ(objects_->mutex.Lock(), LockOutcome::kOwnerDied);
  objects_->mutex.Unlock();
  killer.join();
}

TEST_F(MutexTest, AStoppedOwnerIsNotDead) {
  const pid_t child = ForkOwner();
  kill(child, SIGSTOP);
  EXPECT_EQ(objects_->mutex.LockFor(milliseconds(150)), TryLockOutcome::kBusy);
  EXPECT_EQ(objects_->mutex.TryLock(), TryLockOutcome::kBusy);
  Kill(child);
  EXPECT_EQ(objects_->mutex.Lock(), LockOutcome::kOwnerDied);
  objects_->mutex.Unlock();
}

TEST_F(MutexTest, AnOwnerThatDetachesIsDead) {
  const pid_t child = Fork([&] {
    static_cast<void>(objects_->mutex.Lock());
    objects_->step.store(1);
    WaitForStep(2);
    arena_.reset();
    pause();
    return 0;
  });
  WaitForStep(1);
  EXPECT_EQ(objects_->mutex.TryLock(), TryLockOutcome::kBusy);
  objects_->step.store(2);
  EXPECT_EQ(objects_->mutex.Lock(), LockOutcome::kOwnerDied);
  objects_->mutex.Unlock();
  Kill(child);
}

TEST_F(MutexTest, ASlotThatIsReusedDoesNotReviveItsOwner) {
  const auto slot = [](uint32_t owner_id) { return owner_id & ((1u << kOwnerSlotBits) - 1); };
  const Shared<std::atomic<uint32_t>> child_id;
  for (const bool recovered : {false, true}) {
    const pid_t dead = ForkOwner();
    Kill(dead);
    if (recovered) {
      EXPECT_EQ(arena_->Recover().value(), 1);
    }
    child_id->store(0);
    const pid_t next = Fork([&] {
      child_id->store(FindAttached(objects_)->owner_id);
      pause();
      return 0;
    });
    while (child_id->load() == 0) std::this_thread::yield();
    if (recovered) {
      EXPECT_EQ(slot(child_id->load()), 2u);
    }
    EXPECT_EQ(objects_->mutex.LockFor(milliseconds(100)), TryLockOutcome::kOwnerDied);
    objects_->mutex.MarkRepaired();
    objects_->mutex.Unlock();
    Kill(next);
    ASSERT_TRUE(arena_->Recover().ok());
  }
}

TEST_F(MutexTest, MutexLockRepairs) {
  Kill(ForkOwner());
  const auto throws = [] { throw std::runtime_error("no"); };
  EXPECT_THROW(const MutexLock lock(objects_->mutex, throws), std::runtime_error);
  EXPECT_EQ(objects_->mutex.TryLock(), TryLockOutcome::kOwnerDied) << "unlocked, unrepaired";
  objects_->mutex.Unlock();
  int repairs = 0;
  for (int i = 0; i < 3; ++i) {
    const MutexLock lock(objects_->mutex, [&] {
      objects_->mutex.AssertHeld();
      ++repairs;
    });
    objects_->mutex.AssertHeld();
  }
  EXPECT_EQ(repairs, 1);
  EXPECT_EQ(objects_->mutex.TryLock(), TryLockOutcome::kClean);
  objects_->mutex.Unlock();
}

TEST_F(MutexTest, AForkedChildHoldsNothing) {
  ASSERT_EQ(objects_->mutex.Lock(), LockOutcome::kClean);
  const pid_t child = Fork([&] {
    if (objects_->mutex.TryLock() != TryLockOutcome::kBusy) return 1;
    objects_->step.store(1);
    if (objects_->mutex.Lock() != LockOutcome::kClean) return 2;
    objects_->mutex.Unlock();
    return 0;
  });
  WaitForStep(1);
  objects_->mutex.AssertHeld();
  objects_->mutex.Unlock();
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(objects_->mutex.TryLock(), TryLockOutcome::kClean)
      << "its exit is no death of an owner";
  const pid_t unlocker = Fork([&] {
    objects_->mutex.Unlock();
    return 0;
  });
  EXPECT_EQ(Wait(unlocker), 1000 + SIGABRT);
  objects_->mutex.Unlock();
}

}  // namespace
}  // namespace uarena
