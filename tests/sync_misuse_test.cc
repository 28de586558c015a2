// SPDX-License-Identifier: Apache-2.0
//
// Locks used where and when they must not be end the program, with a message; signal handlers may
// try them.
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"
#include "uarena/condition_variable.h"
#include "uarena/mutex.h"
#include "uarena/once.h"

namespace uarena {
namespace {

using std::chrono::milliseconds;

struct Objects {
  Mutex mutex;
  Mutex more[4];
  ConditionVariable changed;
  OnceFlag once;
};

class SyncMisuseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ArenaOptions options;
    options.max_pages = 16;
    arena_ = std::make_unique<Arena>(std::move(Arena::Create(options)).value());
    objects_ = static_cast<Objects*>(arena_->AllocPages(nullptr, 1).value());
  }
  std::unique_ptr<Arena> arena_;
  Objects* objects_ = nullptr;
};

TEST_F(SyncMisuseTest, MisuseEndsTheProgram) {
  // A new one each: what a dead program leaves locked stays so.
  Mutex* mutex = objects_->more;
  Mutex elsewhere;
  EXPECT_DEATH(mutex->Unlock(), "Mutex::Unlock at 0x[0-9a-f]+: nobody has it locked");
  EXPECT_DEATH(mutex->MarkRepaired(), "Mutex::MarkRepaired at 0x[0-9a-f]+: nobody has it locked");
  EXPECT_DEATH(static_cast<void>(objects_->changed.Wait(*mutex)), "AssertHeld .* nobody has it");
  EXPECT_DEATH(
      {
        static_cast<void>(mutex->Lock());
        static_cast<void>(mutex->Lock());
      },
      "Mutex::Lock at 0x[0-9a-f]+: this thread has it locked already");
  EXPECT_EQ(mutex->TryLock(), TryLockOutcome::kOwnerDied);
  ++mutex;
#if !defined(__SANITIZE_THREAD__)  // does not know threads that a forked child starts
  EXPECT_DEATH(
      {
        static_cast<void>(mutex->Lock());
        std::thread([&] { mutex->Unlock(); }).join();
      },
      "another thread has it locked");
#endif
  ++mutex;
  EXPECT_DEATH(static_cast<void>(elsewhere.Lock()), "lies in no arena that this process has");
  EXPECT_DEATH(elsewhere.Unlock(), "Mutex::Unlock at 0x[0-9a-f]+: it lies in no arena");
  EXPECT_DEATH(
      CallOnce(objects_->once, [&](LockOutcome) { CallOnce(objects_->once, [](LockOutcome) {}); }),
      "CallOnce at 0x[0-9a-f]+: this thread has it locked already");
  ASSERT_EQ(mutex->Lock(), LockOutcome::kClean);
  EXPECT_DEATH(mutex->Unlock(), "another process has it locked .the parent");
  mutex->Unlock();
}

TEST(SyncReadOnlyTest, AReaderCannotLock) {
  testing::TestDaemon daemon;
  ArenaOptions options;
  options.socket_path = daemon.socket();
  options.max_pages = 16;
  options.reconnect = false;
  absl::StatusOr<Arena> arena = Arena::Open("locks", options);
  ASSERT_TRUE(arena.ok()) << arena.status();
  auto* mutex = static_cast<Mutex*>(arena->AllocPages(nullptr, 1).value());
  { const Arena closed = *std::move(arena); }
  options.read_only = true;
  const absl::StatusOr<Arena> reader = Arena::Open("locks", options);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_DEATH(static_cast<void>(mutex->Lock()),
               "Mutex::Lock at 0x[0-9a-f]+: it lies in an arena that is attached for reading only");
}

Objects* g_objects;
Mutex* g_other;
std::atomic<int> g_taken{0};

// A handler may take what the interrupted thread does not hold, in any arena.
TEST_F(SyncMisuseTest, SignalHandlersMayTry) {
  ArenaOptions options;
  options.max_pages = 16;
  const Arena other = std::move(Arena::Create(options)).value();
  g_objects = objects_;
  g_other = static_cast<Mutex*>(other.base());
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {
    for (Mutex* mutex : {g_other, &g_objects->mutex}) {
      if (mutex->TryLock() == TryLockOutcome::kBusy) continue;
      g_taken.fetch_add(1);
      mutex->Unlock();
    }
  };
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{{0, 200}, {0, 200}};
  const itimerval never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  const auto end = std::chrono::steady_clock::now() + milliseconds(500);
  while (std::chrono::steady_clock::now() < end) {
    for (Mutex* mutex : {&objects_->mutex, g_other}) {
      ASSERT_EQ(mutex->Lock(), LockOutcome::kClean);
      mutex->Unlock();
    }
  }
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_GT(g_taken.load(), 100);
}

}  // namespace
}  // namespace uarena
