// SPDX-License-Identifier: Apache-2.0
//
// Processes are killed, or stopped, at named points in the middle of locking, where each end has
// one right answer. Needs a build with UARENA_FAILPOINTS.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "os/failpoint.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"
#include "uarena/condition_variable.h"
#include "uarena/mutex.h"
#include "uarena/once.h"
#include "uarena/shared_mutex.h"

namespace uarena {
namespace {

#if !defined(UARENA_FAILPOINTS)

TEST(SyncFailpointTest, NeedsAnotherBuild) {
  GTEST_SKIP() << "built without UARENA_FAILPOINTS; the presets asan and tsan have them";
}

#else

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Fork;
using testing::Wait;

const char* g_point;
int g_signal;

// From now on this process gets `signal` at the point.
void SignalAt(const char* point, int signal) {
  g_point = point;
  g_signal = signal;
  g_failpoint_hook.store([](const char* name) {
    if (strcmp(name, g_point) == 0) kill(getpid(), g_signal);
  });
}

struct Objects {
  Mutex mutex;
  SharedMutex shared;
  ConditionVariable changed;
  OnceFlag once;
  std::atomic<int> step;
  int value;
};

class SyncFailpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ArenaOptions options;
    options.max_pages = 64;
    arena_ = std::make_unique<Arena>(std::move(Arena::Create(options)).value());
    objects_ = static_cast<Objects*>(arena_->AllocPages(nullptr, 1).value());
  }
  Mutex& mutex() const { return objects_->mutex; }
  SharedMutex& shared() const { return objects_->shared; }

  static pid_t ForkKilledAt(const char* point, const std::function<void()>& act) {
    return Fork([&] {
      SignalAt(point, SIGKILL);
      act();
      return 0;
    });
  }
  static void ExpectKilledAt(const char* point, const std::function<void()>& act) {
    EXPECT_EQ(Wait(ForkKilledAt(point, act)), 1000 + SIGKILL) << point << " was not reached";
  }
  void DieWithMutex() const {
    ExpectKilledAt("lock.taken", [&] { static_cast<void>(mutex().TryLock()); });
  }
  void ExpectMutex(TryLockOutcome outcome) const {
    EXPECT_EQ(mutex().LockFor(seconds(20)), outcome);
    mutex().MarkRepaired();
    mutex().Unlock();
  }
  void ExpectShared(TryLockOutcome outcome) const {
    EXPECT_EQ(shared().LockSharedFor(seconds(20)), outcome);
    shared().UnlockShared();
    EXPECT_EQ(shared().LockFor(seconds(20)), outcome);
    shared().MarkRepaired();
    shared().Unlock();
  }

  std::unique_ptr<Arena> arena_;
  Objects* objects_ = nullptr;
};

TEST_F(SyncFailpointTest, Mutex) {
  DieWithMutex();
  ExpectMutex(TryLockOutcome::kOwnerDied);
  // In the middle of taking it from a dead one, and after that.
  for (const char* point : {"lock.owner_died", "lock.taken"}) {
    DieWithMutex();
    ExpectKilledAt(point, [&] { static_cast<void>(mutex().Lock()); });
    ExpectMutex(TryLockOutcome::kOwnerDied);
  }
  ASSERT_EQ(mutex().Lock(), LockOutcome::kClean);
  ExpectKilledAt("lock.sleep", [&] { static_cast<void>(mutex().Lock()); });
  mutex().Unlock();
  ExpectMutex(TryLockOutcome::kClean);
  // Given back, but nobody was woken.
  objects_->step.store(0);
  const pid_t holder = ForkKilledAt("unlock.given", [&] {
    static_cast<void>(mutex().Lock());
    objects_->step.store(1);
    usleep(60'000);
    mutex().Unlock();
  });
  while (objects_->step.load() == 0) std::this_thread::yield();
  ExpectMutex(TryLockOutcome::kClean);
  EXPECT_EQ(Wait(holder), 1000 + SIGKILL);
}

TEST_F(SyncFailpointTest, SharedMutex) {
  // A writer is pending until it has seen that nobody reads.
  ExpectKilledAt("lock.taken", [&] { static_cast<void>(shared().Lock()); });
  ExpectShared(TryLockOutcome::kClean);
  ASSERT_EQ(shared().LockShared(), LockOutcome::kClean);
  ExpectKilledAt("shared.await", [&] { static_cast<void>(shared().Lock()); });
  EXPECT_EQ(shared().LockSharedFor(seconds(20)), TryLockOutcome::kClean);
  shared().UnlockShared();
  shared().UnlockShared();
  ExpectShared(TryLockOutcome::kClean);
  ExpectKilledAt("unlock.given", [&] {
    static_cast<void>(shared().Lock());
    shared().Unlock();
  });
  ExpectShared(TryLockOutcome::kClean);
  for (const char* point : {"shared.entered", "shared.left"}) {
    ExpectKilledAt(point, [&] {
      static_cast<void>(shared().LockShared());
      shared().UnlockShared();
    });
    ExpectShared(TryLockOutcome::kClean);
  }
  // A reader that left, but has not woken the writer.
  objects_->step.store(0);
  const pid_t reader = ForkKilledAt("shared.left", [&] {
    static_cast<void>(shared().LockShared());
    objects_->step.store(1);
    usleep(60'000);
    shared().UnlockShared();
  });
  while (objects_->step.load() == 0) std::this_thread::yield();
  EXPECT_EQ(shared().LockFor(seconds(20)), TryLockOutcome::kClean);
  shared().Unlock();
  EXPECT_EQ(Wait(reader), 1000 + SIGKILL);
  // A reader that takes the dead writer's place has repaired nothing.
  ExpectKilledAt("unlock.given", [&] {
    const pid_t writer = Fork([&] {
      static_cast<void>(shared().Lock());
      kill(getpid(), SIGKILL);
      return 0;
    });
    Wait(writer);
    static_cast<void>(shared().LockShared());
    shared().UnlockShared();
    static_cast<void>(shared().Lock());
    shared().Unlock();
  });
  ExpectShared(TryLockOutcome::kOwnerDied);
}

TEST_F(SyncFailpointTest, ConditionVariable) {
  const auto wait = [&] {
    MutexLock lock(mutex(), [] {});
    objects_->step.store(1);
    objects_->changed.Wait(lock, [&] { return objects_->value != 0; });
  };
  const auto notify = [&] {
    const MutexLock lock(mutex(), [] {});
    objects_->value = 1;
    objects_->changed.NotifyOne();
  };
  for (const char* point : {"condition.sleep", "condition.woken"}) {
    // The one that is woken dies of it; the other is not forgotten.
    objects_->value = 0;
    const pid_t victim = ForkKilledAt(point, wait);
    const pid_t other = Fork([&] {
      wait();
      return 0;
    });
    usleep(30'000);
    notify();
    EXPECT_EQ(Wait(victim), 1000 + SIGKILL);
    EXPECT_EQ(Wait(other), 0);
    ExpectMutex(TryLockOutcome::kClean);
  }
  objects_->value = 0;
  objects_->step.store(0);
  const pid_t waiter = Fork([&] {
    wait();
    return 0;
  });
  while (objects_->step.load() == 0) std::this_thread::yield();
  ExpectKilledAt("condition.notify", notify);  // with the mutex held
  EXPECT_EQ(Wait(waiter), 0);
  ExpectMutex(TryLockOutcome::kClean);
}

TEST_F(SyncFailpointTest, OnceFlag) {
  ExpectKilledAt("lock.taken", [&] { CallOnce(objects_->once, [](LockOutcome) {}); });
  ExpectKilledAt("lock.owner_died", [&] { CallOnce(objects_->once, [](LockOutcome) {}); });
  int calls = 0;
  for (int i = 0; i < 2; ++i) {
    CallOnce(objects_->once, [&](LockOutcome before) {
      EXPECT_EQ(before, LockOutcome::kOwnerDied);
      ++calls;
    });
  }
  EXPECT_EQ(calls, 1);
}

// Whoever recovers a dead process has its slot locked meanwhile, which must not look like its life.
TEST_F(SyncFailpointTest, AStoppedRecoveryDoesNotReviveTheDead) {
  ExpectKilledAt("allocate.mapped", [&] {
    static_cast<void>(mutex().Lock());
    static_cast<void>(arena_->AllocPages(nullptr, 8));
  });
  // A forked child begins by recovering.
  SignalAt("recover.operation", SIGSTOP);
  const pid_t recoverer = Fork([] { return 0; });
  g_failpoint_hook.store(nullptr);
  int status = 0;
  ASSERT_EQ(waitpid(recoverer, &status, WUNTRACED), recoverer);
  ASSERT_TRUE(WIFSTOPPED(status));
  ExpectMutex(TryLockOutcome::kOwnerDied);
  kill(recoverer, SIGKILL);
  EXPECT_EQ(Wait(recoverer), 1000 + SIGKILL);
}

#endif

}  // namespace
}  // namespace uarena
