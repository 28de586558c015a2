// SPDX-License-Identifier: Apache-2.0
//
// What a process does with the locks that it shares while it waits to be killed, and what it
// minds.
#ifndef UARENA_TESTS_SUPPORT_LOCK_WORKER_H_
#define UARENA_TESTS_SUPPORT_LOCK_WORKER_H_

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>

#include "uarena/condition_variable.h"
#include "uarena/mutex.h"
#include "uarena/once.h"
#include "uarena/shared_mutex.h"

namespace uarena::testing {

inline constexpr int kWorkers = 4;
inline constexpr int kFlags = 4000;
// Most of the time is spent where being killed matters.
inline constexpr uint64_t kInsideSpins = 20'000;

enum Phase { kOutside, kPassing, kInside };  // kPassing: on the way in or out

struct Board {
  std::atomic<Phase> phase[kWorkers];
  std::atomic<uint64_t> steps[kWorkers];
  std::atomic<int> kills;  // counted before they are done
  std::atomic<int> deaths_told;
  std::atomic<bool> stop;
  std::atomic<bool> failed;
};

// In the arena.
struct Objects {
  Mutex mutex;
  ConditionVariable changed;
  SharedMutex shared;
  std::atomic<int> inside;  // who excludes all others: its number + 1
  std::atomic<int> reading[kWorkers];
  int last;
  int a;
  int b;
  struct {
    OnceFlag flag;
    int begun;
    int made;
  } once[kFlags];
};

class Worker {
 public:
  Worker(Objects& objects, Board& board, int id, uint64_t seed)
      : objects_(objects), board_(board), id_(id), random_(seed) {}

  void Fail(const char* what) {
    fprintf(stderr, "worker %d: %s\n", id_, what);
    board_.failed.store(true);
    _exit(1);
  }
  // Victims are those with the lowest numbers.
  bool Killed(int id) const { return id < board_.kills.load(); }
  void Spend(uint64_t most) {
    for (uint64_t i = random_() % most; i != 0; --i) asm volatile("");
  }
  void SetPhase(Phase phase) { board_.phase[id_].store(phase); }

  // In one of the ways that there are.
  template <typename Lock>
  LockOutcome Take(Lock& lock) {
    TryLockOutcome outcome = TryLockOutcome::kBusy;
    switch (random_() % 3) {
      case 0:
        return lock.Lock();
      case 1:
        for (int i = 0; i < 100 && outcome == TryLockOutcome::kBusy; ++i) outcome = lock.TryLock();
        break;
      default:
        outcome = lock.LockFor(std::chrono::microseconds(random_() % 1000));
    }
    if (outcome == TryLockOutcome::kBusy) return lock.Lock();
    return outcome == TryLockOutcome::kClean ? LockOutcome::kClean : LockOutcome::kOwnerDied;
  }

  void Told(LockOutcome outcome) {
    if (outcome == LockOutcome::kClean) return;
    if (board_.kills.load() == 0) Fail("told of a death that never was");
    board_.deaths_told.fetch_add(1);
  }
  // With the lock held.
  void Change(LockOutcome outcome) {
    const int before = objects_.inside.exchange(id_ + 1);
    if (outcome == LockOutcome::kOwnerDied) {
      if (before != 0 && !Killed(before - 1)) Fail("somebody else is inside");
      objects_.a = objects_.b;
    } else if (before != 0) {
      Fail("somebody else is inside, or died there unnoticed");
    }
    if (objects_.a != objects_.b) Fail("inconsistent");
    for (int i = 0; i < kWorkers; ++i) {
      if (objects_.reading[i].load() != 0 && !Killed(i)) Fail("somebody reads");
    }
    ++objects_.a;
    Spend(kInsideSpins);
    ++objects_.b;
    if (objects_.inside.exchange(0) != id_ + 1) Fail("somebody else came in");
  }

  void WithMutex() {
    SetPhase(kPassing);
    const LockOutcome outcome = Take(objects_.mutex);
    SetPhase(kInside);
    Told(outcome);
    Change(outcome);
    if (outcome == LockOutcome::kOwnerDied) objects_.mutex.MarkRepaired();
    SetPhase(kPassing);
    objects_.mutex.Unlock();
    SetPhase(kOutside);
  }

  void WithSharedMutex() {
    if (random_() % 3 == 0) return Write();
    // Readers change nothing, so as victims they are outside.
    if (objects_.shared.LockShared() == LockOutcome::kOwnerDied) {
      if (board_.kills.load() == 0) Fail("told of a death that never was");
      objects_.shared.UnlockShared();
      return Write();
    }
    objects_.reading[id_].store(1);
    for (int i = 0; i < 2; ++i) {
      if (objects_.inside.load() != 0 || objects_.a != objects_.b) Fail("somebody writes");
      Spend(300);
    }
    objects_.reading[id_].store(0);
    objects_.shared.UnlockShared();
  }
  void Write() {
    SetPhase(kPassing);
    const LockOutcome outcome = Take(objects_.shared);
    SetPhase(kInside);
    Told(outcome);
    Change(outcome);
    if (outcome == LockOutcome::kOwnerDied) objects_.shared.MarkRepaired();
    SetPhase(kPassing);
    objects_.shared.Unlock();
    SetPhase(kOutside);
  }

  // Nobody changes twice in a row: whoever is not woken is missed.
  void WithConditionVariable() {
    SetPhase(kPassing);
    {
      LockOutcome outcome = LockOutcome::kClean;
      MutexLock lock(objects_.mutex, [&] {
        Told(outcome = LockOutcome::kOwnerDied);
        objects_.inside.store(0);
        objects_.a = objects_.b;
      });
      objects_.changed.Wait(lock, [&] { return board_.stop.load() || objects_.last != id_ + 1; });
      SetPhase(kInside);
      Change(LockOutcome::kClean);
      objects_.last = id_ + 1;
      if (random_() % 2 == 0) objects_.changed.NotifyOne();
      SetPhase(kPassing);
    }
    objects_.changed.NotifyOne();
    SetPhase(kOutside);
  }

  void WithOnceFlag() {
    const uint64_t step = board_.steps[id_].load();
    if (step >= kFlags) return;
    auto& once = objects_.once[step];
    SetPhase(kPassing);
    CallOnce(once.flag, [&](LockOutcome before) {
      SetPhase(kInside);
      Told(before);
      if (before == LockOutcome::kOwnerDied) {
        once.begun = once.made = 0;
      }
      if (once.begun++ != 0 || once.made != 0) Fail("called twice");
      Spend(kInsideSpins);
      once.made = 1;
      SetPhase(kPassing);
    });
    SetPhase(kOutside);
    if (once.begun != 1 || once.made != 1) Fail("not made");
  }

 private:
  Objects& objects_;
  Board& board_;
  const int id_;
  std::mt19937_64 random_;
};

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_LOCK_WORKER_H_
