// SPDX-License-Identifier: Apache-2.0
#include "uarena/condition_variable.h"

#include <algorithm>

#include "os/failpoint.h"
#include "os/syscall.h"
#include "sync/owned_word.h"

namespace uarena {
namespace {

// After so long a waiter looks for itself. Whoever was to wake it, or was woken in its place, may
// have been killed.
constexpr uint64_t kRecheckNs = 100'000'000;

}  // namespace

std::chrono::steady_clock::time_point ConditionVariable::DeadlineAfter(
    std::chrono::nanoseconds timeout) {
  const auto now = std::chrono::steady_clock::now();
  return now + std::min<std::chrono::nanoseconds>(
                   timeout, std::chrono::steady_clock::time_point::max() - now);
}

LockOutcome ConditionVariable::Sleep(Mutex& mutex, uint64_t nanoseconds) {
  mutex.AssertHeld();
  // Before the mutex is released, so that no change after that goes unnoticed. Counted before the
  // futex is compared, and notifiers change the sequence before they look at the count.
  const uint32_t seen = sequence_.load(std::memory_order_relaxed);
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  mutex.Unlock();
  UARENA_FAILPOINT("condition.sleep");
  sys::FutexWait(&sequence_, seen, nanoseconds);
  UARENA_FAILPOINT("condition.woken");
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
  return mutex.Lock();
}

LockOutcome ConditionVariable::Wait(Mutex& mutex) { return Sleep(mutex, kRecheckNs); }

WaitOutcome ConditionVariable::WaitUntil(Mutex& mutex,
                                         std::chrono::steady_clock::time_point deadline) {
  const uint64_t end = DeadlineAt(deadline);
  const uint64_t now = sys::NowNs();
  const uint32_t before = sequence_.load(std::memory_order_relaxed);
  const LockOutcome outcome = Sleep(mutex, now >= end ? 0 : std::min(end - now, kRecheckNs));
  if (outcome == LockOutcome::kOwnerDied) return WaitOutcome::kOwnerDied;
  const bool notified = sequence_.load(std::memory_order_relaxed) != before;
  return notified || sys::NowNs() < end ? WaitOutcome::kClean : WaitOutcome::kTimedOut;
}

void ConditionVariable::NotifyOne() {
  sequence_.fetch_add(1, std::memory_order_seq_cst);
  UARENA_FAILPOINT("condition.notify");
  if (sleepers_.load(std::memory_order_seq_cst) != 0) sys::FutexWake(&sequence_, 1);
}

void ConditionVariable::NotifyAll() {
  sequence_.fetch_add(1, std::memory_order_seq_cst);
  UARENA_FAILPOINT("condition.notify");
  if (sleepers_.load(std::memory_order_seq_cst) != 0) WakeAll(&sequence_);
}

}  // namespace uarena
