// SPDX-License-Identifier: Apache-2.0
#include "uarena/mutex.h"

#include "sync/owned_word.h"

namespace uarena {

LockOutcome Mutex::LockSlow() {
  const Caller caller{"Mutex::Lock", this};
  return Locked(Tried(TakeWord(word_, SelfOrDie(caller), Take::kOwn, kNever, caller)));
}

TryLockOutcome Mutex::TryLock() {
  const Caller caller{"Mutex::TryLock", this};
  return Tried(TakeWord(word_, SelfOrDie(caller), Take::kOwn, kNow, caller));
}

TryLockOutcome Mutex::LockFor(std::chrono::nanoseconds timeout) {
  const Caller caller{"Mutex::LockFor", this};
  return Tried(TakeWord(word_, SelfOrDie(caller), Take::kOwn, DeadlineAfter(timeout), caller));
}

TryLockOutcome Mutex::LockUntil(std::chrono::steady_clock::time_point deadline) {
  const Caller caller{"Mutex::LockUntil", this};
  return Tried(TakeWord(word_, SelfOrDie(caller), Take::kOwn, DeadlineAt(deadline), caller));
}

void Mutex::UnlockSlow() {
  const Caller caller{"Mutex::Unlock", this};
  GiveBack(word_, SelfOrDie(caller), Wake::kOne, caller);
}

void Mutex::MarkRepaired() { MarkWordRepaired(word_, {"Mutex::MarkRepaired", this}); }

void Mutex::AssertHeld() const {
  const Caller caller{"Mutex::AssertHeld", this};
  CheckOwned(word_.load(std::memory_order_relaxed), SelfOrDie(caller), caller);
}

}  // namespace uarena
