// SPDX-License-Identifier: Apache-2.0
//
// SharedMutex as it answers; kills at random moments are sync_kill_test's.
#include "uarena/shared_mutex.h"

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

namespace uarena {
namespace {

using std::chrono::milliseconds;
using testing::Fork;
using testing::Wait;

struct Objects {
  SharedMutex mutex;
  std::atomic<int> step;
  std::atomic<bool> stop;
  std::atomic<int> passes;
  int a;
  int b;
};

class SharedMutexTest : public testing::ObjectsInArenaTest<Objects> {
 protected:
  SharedMutex& mutex() const { return objects_->mutex; }
  // A child that locks, counts itself in `step`, and waits to be killed.
  template <typename Lock>
  pid_t ForkHolder(Lock lock) {
    const int before = objects_->step.load();
    const pid_t child = Fork([&] {
      lock();
      objects_->step.fetch_add(1);
      pause();
      return 0;
    });
    while (objects_->step.load() == before) std::this_thread::yield();
    return child;
  }
  pid_t ForkReader() {
    return ForkHolder([&] { static_cast<void>(mutex().LockShared()); });
  }
  pid_t ForkWriter() {
    return ForkHolder([&] { static_cast<void>(mutex().Lock()); });
  }
};

TEST_F(SharedMutexTest, OneWriterOrManyReaders) {
  ASSERT_EQ(mutex().LockShared(), LockOutcome::kClean);
  std::thread([&] {
    EXPECT_EQ(mutex().TryLockShared(), TryLockOutcome::kClean);
    EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kBusy);
    EXPECT_EQ(mutex().LockFor(milliseconds(30)), TryLockOutcome::kBusy);
    EXPECT_EQ(mutex().LockSharedFor(milliseconds(30)), TryLockOutcome::kClean);
    mutex().UnlockShared();
    mutex().UnlockShared();
  }).join();
  mutex().UnlockShared();
  ASSERT_EQ(mutex().TryLock(), TryLockOutcome::kClean);
  EXPECT_EQ(mutex().TryLockShared(), TryLockOutcome::kBusy);
  EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kBusy);
  std::thread([&] {
    EXPECT_EQ(mutex().TryLockShared(), TryLockOutcome::kBusy);
    EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kBusy);
    EXPECT_EQ(mutex().LockSharedUntil(std::chrono::steady_clock::now() + milliseconds(30)),
              TryLockOutcome::kBusy);
  }).join();
  mutex().Unlock();
}

TEST_F(SharedMutexTest, ThreadsAndProcessesExcludeEachOther) {
  const auto work = [&](int steps) {
    for (int n = 0; n < steps; ++n) {
      if (n % 8 == 0) {
        const WriterLock lock(mutex(), [] { abort(); });
        ++objects_->a;
        ++objects_->b;
      } else {
        const ReaderLock lock(mutex(), [] { abort(); });
        if (objects_->a != objects_->b) return 1;
      }
    }
    return 0;
  };
  std::vector<pid_t> children;
  children.reserve(3);
  for (int i = 0; i < 3; ++i) children.push_back(Fork([&] { return work(8000); }));
  std::thread thread([&] { EXPECT_EQ(work(8000), 0); });
  EXPECT_EQ(work(8000), 0);
  thread.join();
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(objects_->a, 5000);
}

TEST_F(SharedMutexTest, ReadersDoNotKeepAWriterOut) {
  std::vector<pid_t> children;
  children.reserve(3);
  for (int i = 0; i < 3; ++i) {
    children.push_back(Fork([&] {
      while (!objects_->stop.load()) {
        const ReaderLock lock(mutex(), [] { abort(); });
        usleep(500);  // there is always one
      }
      return 0;
    }));
  }
  usleep(20'000);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(mutex().Lock(), LockOutcome::kClean);
    mutex().Unlock();
    usleep(1000);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  objects_->stop.store(true);
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
}

TEST_F(SharedMutexTest, ADeadReaderIsForgotten) {
  const pid_t one = ForkReader();
  const pid_t two = ForkReader();
  Kill(one);
  EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kBusy) << "one lives";
  kill(two, SIGSTOP);
  EXPECT_EQ(mutex().LockFor(milliseconds(100)), TryLockOutcome::kBusy) << "stopped is not dead";
  std::thread killer([&] {
    usleep(20'000);
    Kill(two);
  });
  EXPECT_EQ(mutex().Lock(), LockOutcome::kClean);
  mutex().Unlock();
  killer.join();
}

TEST_F(SharedMutexTest, ADeadWriterIsReportedToReadersToo) {
  Kill(ForkWriter());
  EXPECT_EQ(mutex().LockShared(), LockOutcome::kOwnerDied);
  EXPECT_EQ(mutex().TryLockShared(), TryLockOutcome::kOwnerDied);
  mutex().UnlockShared();
  mutex().UnlockShared();
  EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kOwnerDied);
  mutex().Unlock();
  const auto throws = [] { throw std::runtime_error("no"); };
  EXPECT_THROW(const ReaderLock lock(mutex(), throws), std::runtime_error);
  EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kOwnerDied) << "unlocked, unrepaired";
  mutex().Unlock();
  EXPECT_THROW(const WriterLock lock(mutex(), throws), std::runtime_error);
  EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kOwnerDied) << "unlocked, unrepaired";
  mutex().Unlock();
  int repairs = 0;
  for (int i = 0; i < 3; ++i) {
    const ReaderLock lock(mutex(), [&] { ++repairs; });
  }
  EXPECT_EQ(repairs, 1);
  Kill(ForkWriter());
  {
    const WriterLock lock(mutex(), [&] { ++repairs; });
  }
  EXPECT_EQ(repairs, 2);
  EXPECT_EQ(mutex().LockShared(), LockOutcome::kClean);
  mutex().UnlockShared();
}

TEST_F(SharedMutexTest, AWriterThatDiesWaitingHasDamagedNothing) {
  ASSERT_EQ(mutex().LockShared(), LockOutcome::kClean);
  const pid_t writer = Fork([&] {
    objects_->step.store(1);
    static_cast<void>(mutex().Lock());
    return 1;
  });
  // Readers give way to it: it waits.
  while (mutex().TryLockShared() == TryLockOutcome::kClean) mutex().UnlockShared();
  Kill(writer);
  EXPECT_EQ(mutex().TryLockShared(), TryLockOutcome::kClean);
  mutex().UnlockShared();
  mutex().UnlockShared();
  EXPECT_EQ(mutex().Lock(), LockOutcome::kClean);
  mutex().Unlock();
}

// More processes than slots: the last waits for a slot, and is told of no dead writer if the one
// that waited before it died.
TEST_F(SharedMutexTest, MoreReadersThanSlotsWait) {
  std::vector<pid_t> holders;
  holders.reserve(SharedMutex::kReaderSlots);
  for (int i = 0; i < SharedMutex::kReaderSlots; ++i) holders.push_back(ForkReader());
  EXPECT_EQ(mutex().TryLockShared(), TryLockOutcome::kBusy);
  EXPECT_EQ(mutex().LockSharedFor(milliseconds(30)), TryLockOutcome::kBusy);
  const pid_t waits = Fork([&] { return static_cast<int>(mutex().LockShared()); });
  usleep(20'000);
  Kill(waits);
  Kill(holders.back());
  holders.pop_back();
  EXPECT_EQ(mutex().LockShared(), LockOutcome::kClean) << "a dead reader's slot";
  for (const pid_t holder : holders) Kill(holder);
  mutex().UnlockShared();
  EXPECT_EQ(mutex().Lock(), LockOutcome::kClean);
  mutex().Unlock();
}

TEST_F(SharedMutexTest, MoreProcessesThanSlotsTakeTurns) {
  constexpr int kProcesses = SharedMutex::kReaderSlots + 10;
  std::vector<pid_t> children;
  children.reserve(kProcesses);
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(Fork([&, i] {
      objects_->step.fetch_add(1);
      while (objects_->step.load() < kProcesses) usleep(1000);
      for (int n = 0; n < 20; ++n) {
        if (i % 10 == 0 && n % 5 == 0) {
          const WriterLock lock(mutex(), [] { abort(); });
          ++objects_->a;
          ++objects_->b;
        } else {
          const ReaderLock lock(mutex(), [] { abort(); });
          usleep(200);
          if (objects_->a != objects_->b) return 1;
        }
        objects_->passes.fetch_add(1);
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(objects_->passes.load(), kProcesses * 20);
}

TEST_F(SharedMutexTest, AForkedChildHoldsNothing) {
  ASSERT_EQ(mutex().LockShared(), LockOutcome::kClean);
  const pid_t child = Fork([&] {
    if (mutex().TryLock() != TryLockOutcome::kBusy) return 1;
    if (mutex().LockShared() != LockOutcome::kClean) return 2;
    mutex().UnlockShared();
    return 0;
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(mutex().TryLock(), TryLockOutcome::kBusy);
  mutex().UnlockShared();
}

TEST_F(SharedMutexTest, MisuseEndsTheProgram) {
  SharedMutex elsewhere;
  ASSERT_EQ(mutex().LockShared(), LockOutcome::kClean);
  EXPECT_DEATH(mutex().UnlockShared(),
               "SharedMutex::UnlockShared at 0x[0-9a-f]+: no thread of this process");
  EXPECT_DEATH(mutex().Unlock(), "SharedMutex::Unlock at 0x[0-9a-f]+: nobody has it locked");
  mutex().UnlockShared();
  EXPECT_DEATH(
      {
        static_cast<void>(mutex().Lock());
        static_cast<void>(mutex().LockShared());
      },
      "SharedMutex::LockShared at 0x[0-9a-f]+: this thread has it locked already");
  EXPECT_DEATH(static_cast<void>(elsewhere.LockShared()), "lies in no arena");
}

}  // namespace
}  // namespace uarena
