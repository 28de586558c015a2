// SPDX-License-Identifier: Apache-2.0
///
/// Mutex: a lock in arena memory, for the threads of all processes that have the arena, that
/// survives its owner.
///
///   struct Account { uarena::Mutex mutex; int64_t balance, checksum; };  // in an arena
///
///   uarena::MutexLock lock(account->mutex, [&] { account->checksum = account->balance; });
///   account->balance += 5;
///   account->checksum += 5;
///
/// The callable repairs what a process that died left half changed; it runs, with the lock held,
/// only after that has happened.
#ifndef UARENA_MUTEX_H_
#define UARENA_MUTEX_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/base/optimization.h"
#include "uarena/internal/thread_owner.h"
#include "uarena/lock_outcome.h"

namespace uarena {

/// Plain data without pointers, 8 bytes: zeroed arena memory is an unlocked one, and it may be
/// constructed there. If a process ends, detaches or execs with it held, the next locker gets it
/// within some 15 ms, with kOwnerDied. A process that is stopped is not dead, nor is one of which
/// only the thread has ended that held it.
///
/// Thread-safety: for any threads of any processes. Not recursive, and not fair: who asks at the
/// right moment passes those who wait.
///
/// Signal handlers may call everything here; but locking what the interrupted thread holds can
/// only fail: TryLock answers kBusy. Fork: what was locked stays the parent's, the child holds
/// nothing, and must not leave the scope of a MutexLock that was made before the fork (_exit does
/// not). Neither may locks be used in a child before its pthread_atfork handlers have run, so never
/// in one that is made without them, as by vfork or clone.
///
/// These end the program with a message that names the lock: using one that is not in an arena that
/// this process has attached, or is in one attached with `read_only`; locking one that this very
/// thread holds; unlocking, or marking repaired, one that this very thread does not hold.
class Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  /// Waits for the lock and takes it.
  LockOutcome Lock() {
    const internal::ThreadOwner self = internal::CachedThreadOwner(this);
    uint64_t unlocked = 0;
    if (ABSL_PREDICT_TRUE(self != 0 &&
                          word_.compare_exchange_strong(unlocked, self, std::memory_order_acquire,
                                                        std::memory_order_relaxed))) {
      return LockOutcome::kClean;
    }
    return LockSlow();
  }

  /// Takes it if nobody who lives has it. Takes a system call if somebody has.
  TryLockOutcome TryLock();

  /// Waits at most so long, or until then.
  TryLockOutcome LockFor(std::chrono::nanoseconds timeout);
  TryLockOutcome LockUntil(std::chrono::steady_clock::time_point deadline);

  void Unlock() {
    internal::ThreadOwner self = internal::CachedThreadOwner(this);
    if (ABSL_PREDICT_TRUE(self != 0 &&
                          word_.compare_exchange_strong(self, 0, std::memory_order_release,
                                                        std::memory_order_relaxed))) {
      return;
    }
    UnlockSlow();
  }

  /// After kOwnerDied, when what the lock protects is consistent again: later lockers get kClean.
  /// Only while it is held. Without it Unlock passes kOwnerDied on.
  void MarkRepaired();

  /// Ends the program if the calling thread does not hold it.
  void AssertHeld() const;

 private:
  LockOutcome LockSlow();
  void UnlockSlow();

  std::atomic<uint64_t> word_{0};  // see sync/owned_word.h
};
static_assert(sizeof(Mutex) == 8 && std::is_standard_layout_v<Mutex> &&
              std::is_trivially_destructible_v<Mutex>);

/// Holds a Mutex while it lives. If an owner died, calls `repair` first, with the lock held, and
/// marks the mutex repaired when it returns; if it throws instead, the lock is released unrepaired.
template <typename Repair>
class [[nodiscard]] MutexLock {
 public:
  [[nodiscard]] MutexLock(Mutex& mutex, Repair repair) : mutex_(mutex), repair_(std::move(repair)) {
    const LockOutcome outcome = mutex_.Lock();
    if (ABSL_PREDICT_TRUE(outcome == LockOutcome::kClean)) return;
    Unlocker unlocker{&mutex_};
    AfterLock(outcome);
    unlocker.mutex = nullptr;
  }
  ~MutexLock() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  /// What ConditionVariable waits with, and what it does when it has the mutex again. If `repair`
  /// throws, the mutex stays held, unrepaired, until this object goes.
  Mutex& mutex() const { return mutex_; }
  void AfterLock(LockOutcome outcome) {
    if (outcome == LockOutcome::kClean) return;
    repair_();
    mutex_.MarkRepaired();
  }

 private:
  struct Unlocker {
    ~Unlocker() {
      if (mutex != nullptr) mutex->Unlock();
    }
    Mutex* mutex;
  };

  Mutex& mutex_;
  Repair repair_;
};

}  // namespace uarena

#endif  // UARENA_MUTEX_H_
