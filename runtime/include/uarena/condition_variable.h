// SPDX-License-Identifier: Apache-2.0
///
/// ConditionVariable: waiting in arena memory for what another process does under a Mutex.
///
///   uarena::MutexLock lock(queue->mutex, repair);
///   queue->filled.Wait(lock, [&] { return queue->size > 0; });
#ifndef UARENA_CONDITION_VARIABLE_H_
#define UARENA_CONDITION_VARIABLE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>

#include "uarena/lock_outcome.h"
#include "uarena/mutex.h"

namespace uarena {

/// Plain data, 8 bytes; zeroed arena memory is one that nobody waits for. Used with one Mutex at a
/// time, which the waiting thread must hold, and which is released while it waits.
///
/// Whoever waits looks for itself every 100 ms at least: when a process is killed between its
/// change and its Notify, or right after it was woken, the others are late by that, not lost.
///
/// Thread-safety: for any threads of any processes. Signal handlers may notify. Fork: the child
/// waits for nothing. Errors: as Mutex, of the mutex.
class ConditionVariable {
 public:
  constexpr ConditionVariable() = default;
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;

  /// Waits for a Notify; may return without one. What it answers is of taking the mutex again.
  LockOutcome Wait(Mutex& mutex);

  /// Waits until `condition()`, which is called with the mutex held. Returns early, without having
  /// called it again, with kOwnerDied: what it would look at may be damaged.
  template <typename Condition>
  LockOutcome Wait(Mutex& mutex, Condition condition) {
    while (!condition()) {
      if (Wait(mutex) == LockOutcome::kOwnerDied) return LockOutcome::kOwnerDied;
    }
    return LockOutcome::kClean;
  }

  /// The same with the lock's own repair, after which it goes on. What that throws is passed on,
  /// with the mutex held, as `lock` expects.
  template <typename Repair, typename Condition>
  void Wait(MutexLock<Repair>& lock, Condition condition) {
    while (!condition()) lock.AfterLock(Wait(lock.mutex()));
  }

  /// As their likes above, but not longer than until `deadline`. Taking the mutex again is not
  /// limited.
  WaitOutcome WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline);
  template <typename Condition>
  WaitOutcome WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline,
                        Condition condition) {
    while (!condition()) {
      const WaitOutcome outcome = WaitUntil(mutex, deadline);
      if (outcome == WaitOutcome::kOwnerDied) return outcome;
      if (outcome == WaitOutcome::kTimedOut) return condition() ? WaitOutcome::kClean : outcome;
    }
    return WaitOutcome::kClean;
  }
  /// Returns what `condition()` answered last.
  template <typename Repair, typename Condition>
  bool WaitUntil(MutexLock<Repair>& lock, std::chrono::steady_clock::time_point deadline,
                 Condition condition) {
    while (!condition()) {
      const WaitOutcome outcome = WaitUntil(lock.mutex(), deadline);
      if (outcome == WaitOutcome::kOwnerDied) lock.AfterLock(LockOutcome::kOwnerDied);
      if (outcome == WaitOutcome::kTimedOut) return condition();
    }
    return true;
  }

  /// The same with a time from now.
  template <typename Lock, typename... Condition>
  auto WaitFor(Lock& lock, std::chrono::nanoseconds timeout, Condition... condition) {
    return WaitUntil(lock, DeadlineAfter(timeout), condition...);
  }

  /// Wakes one who waits, or all. The mutex need not be held.
  void NotifyOne();
  void NotifyAll();

 private:
  static std::chrono::steady_clock::time_point DeadlineAfter(std::chrono::nanoseconds timeout);
  // Releases the mutex, and takes it when a Notify came, or the time is up.
  LockOutcome Sleep(Mutex& mutex, uint64_t nanoseconds);

  std::atomic<uint32_t> sequence_{0};
  // At least so many; killed ones stay counted, which costs each Notify a system call.
  std::atomic<uint32_t> sleepers_{0};
};
static_assert(sizeof(ConditionVariable) == 8 && std::is_standard_layout_v<ConditionVariable> &&
              std::is_trivially_destructible_v<ConditionVariable>);

}  // namespace uarena

#endif  // UARENA_CONDITION_VARIABLE_H_
