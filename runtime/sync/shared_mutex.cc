// SPDX-License-Identifier: Apache-2.0
//
// The word is the writer's. A writer takes it, pending, waits until no reader is left, and is no
// longer pending. A reader enters a slot, then looks at the word; if that is owned it leaves again,
// and waits. Either is seen by the other: both write before they read, in one order for all.
//
// A slot is its process's owner id, the number of its readers, and the number of changes so far.
#include "uarena/shared_mutex.h"

#include <algorithm>
#include <cerrno>

#include "os/failpoint.h"
#include "os/syscall.h"
#include "pages/operation.h"
#include "sync/owned_word.h"

namespace uarena {
namespace {

constexpr int kCountShift = 32;
constexpr uint32_t kMostCount = UINT16_MAX;
constexpr int kChangesShift = 48;

uint32_t SlotOwner(uint64_t slot) { return static_cast<uint32_t>(slot); }
uint32_t SlotCount(uint64_t slot) { return (slot >> kCountShift) & kMostCount; }
uint64_t NextSlot(uint64_t seen, uint32_t owner_id, uint32_t count) {
  return ((seen >> kChangesShift) + 1) << kChangesShift | uint64_t{count} << kCountShift | owner_id;
}

uint32_t OwnerIdOf(ThreadOwner self) { return static_cast<uint32_t>(self); }

// The slot in which a process looks first: nobody else's, unless more than kReaderSlots attach.
int HomeSlot(uint32_t owner_id) {
  return static_cast<int>((owner_id & ((1u << kOwnerSlotBits) - 1)) % SharedMutex::kReaderSlots);
}

}  // namespace

bool SharedMutex::Enter(uint32_t owner_id) {
  const int home = HomeSlot(owner_id);
  for (int i = 0; i < kReaderSlots; ++i) {
    std::atomic<uint64_t>& slot = readers_[(home + i) % kReaderSlots];
    uint64_t seen = slot.load(std::memory_order_relaxed);
    for (;;) {
      const uint32_t count = SlotCount(seen);
      if (count != 0 && (SlotOwner(seen) != owner_id || count == kMostCount)) break;
      if (slot.compare_exchange_weak(seen, NextSlot(seen, owner_id, count + 1),
                                     std::memory_order_seq_cst, std::memory_order_relaxed)) {
        UARENA_FAILPOINT("shared.entered");
        return true;
      }
    }
  }
  return false;
}

// Any slot of the process will do: each of its readers is in one of them, and which does not
// matter.
void SharedMutex::Leave(uint32_t owner_id, const char* call) {
  const int home = HomeSlot(owner_id);
  for (bool left = false; !left;) {
    // Readers of other threads come and go meanwhile, so that not having found one means nothing
    // if anything changed.
    uint64_t sum = 0;
    for (int i = 0; i < kReaderSlots && !left; ++i) {
      std::atomic<uint64_t>& slot = readers_[(home + i) % kReaderSlots];
      uint64_t seen = slot.load(std::memory_order_acquire);
      while (!left && SlotOwner(seen) == owner_id && SlotCount(seen) != 0) {
        left = slot.compare_exchange_weak(seen, NextSlot(seen, owner_id, SlotCount(seen) - 1),
                                          std::memory_order_seq_cst, std::memory_order_acquire);
      }
      sum += seen >> kChangesShift;
    }
    if (left) break;
    uint64_t again = 0;
    for (const std::atomic<uint64_t>& slot : readers_) {
      again += slot.load(std::memory_order_acquire) >> kChangesShift;
    }
    if (again == sum) Die({call, this}, "no thread of this process has it locked for reading");
  }
  UARENA_FAILPOINT("shared.left");
  if (!IsOwned(word_.load(std::memory_order_seq_cst))) return;
  left_.fetch_add(1, std::memory_order_seq_cst);
  WakeAll(&left_);
}

bool SharedMutex::HasReaders() const {
  for (const std::atomic<uint64_t>& slot : readers_) {
    if (SlotCount(slot.load(std::memory_order_seq_cst)) != 0) return true;
  }
  return false;
}

void SharedMutex::ForgetDeadReaders(uint32_t owner_id) {
  for (std::atomic<uint64_t>& slot : readers_) {
    uint64_t seen = slot.load(std::memory_order_relaxed);
    if (SlotCount(seen) == 0 || SlotOwner(seen) == owner_id) continue;
    if (!OwnerDied(this, SlotOwner(seen))) continue;
    // If this fails, somebody else has forgotten it.
    slot.compare_exchange_strong(seen, NextSlot(seen, 0, 0), std::memory_order_seq_cst,
                                 std::memory_order_relaxed);
  }
}

// With the word owned, so that readers only become fewer.
bool SharedMutex::AwaitReaders(ThreadOwner self, uint64_t deadline) {
  for (int spins = 0;;) {
    const uint32_t left = left_.load(std::memory_order_seq_cst);
    if (!HasReaders()) return true;
    if (deadline != kNow) {
      if (SpinOnce(&spins)) continue;
      UARENA_FAILPOINT("shared.await");
      if (!SleptThrough(&left_, left, deadline)) continue;
    }
    ForgetDeadReaders(OwnerIdOf(self));
    if (!HasReaders()) return true;
    if (deadline == kNow || (deadline != kNever && sys::NowNs() >= deadline)) return false;
  }
}

// With the word owned, so that nobody else gets the slot that becomes free.
bool SharedMutex::AwaitSlot(ThreadOwner self, uint64_t deadline) {
  for (;;) {
    const uint32_t left = left_.load(std::memory_order_seq_cst);
    if (Enter(OwnerIdOf(self))) return true;
    if (deadline != kNow && !SleptThrough(&left_, left, deadline)) continue;
    ForgetDeadReaders(OwnerIdOf(self));
    if (Enter(OwnerIdOf(self))) return true;
    if (deadline == kNow || (deadline != kNever && sys::NowNs() >= deadline)) return false;
  }
}

TryLockOutcome SharedMutex::LockBy(uint64_t deadline, const char* call) {
  const Caller caller{call, this};
  const ThreadOwner self = SelfOrDie(caller);
  const Taken taken = TakeWord(word_, self, Take::kReserve, deadline, caller);
  if (taken == Taken::kBusy) return TryLockOutcome::kBusy;
  if (!AwaitReaders(self, deadline)) {
    GiveBack(word_, self, Wake::kAll, caller);
    return TryLockOutcome::kBusy;
  }
  word_.fetch_and(~kPending, std::memory_order_relaxed);
  return Tried(taken);
}

TryLockOutcome SharedMutex::LockSharedBy(uint64_t deadline, const char* call) {
  const Caller caller{call, this};
  const ThreadOwner self = SelfOrDie(caller);
  for (;;) {
    Taken taken = TakeWord(word_, self, Take::kPass, deadline, caller);
    if (taken == Taken::kBusy) return TryLockOutcome::kBusy;
    if (Enter(OwnerIdOf(self))) {
      const uint64_t word = word_.load(std::memory_order_seq_cst);
      if (!IsOwned(word)) {
        return (word & kDied) != 0 ? TryLockOutcome::kOwnerDied : TryLockOutcome::kClean;
      }
      Leave(OwnerIdOf(self), call);
      continue;
    }
    // Every slot is in use. With the word owned no other reader enters.
    taken = TakeWord(word_, self, Take::kReserve, deadline, caller);
    if (taken == Taken::kBusy) return TryLockOutcome::kBusy;
    const bool entered = AwaitSlot(self, deadline);
    GiveBack(word_, self, Wake::kAll, caller);
    return entered ? Tried(taken) : TryLockOutcome::kBusy;
  }
}

LockOutcome SharedMutex::Lock() { return Locked(LockBy(kNever, "SharedMutex::Lock")); }
TryLockOutcome SharedMutex::TryLock() { return LockBy(kNow, "SharedMutex::TryLock"); }
TryLockOutcome SharedMutex::LockFor(std::chrono::nanoseconds timeout) {
  return LockBy(DeadlineAfter(timeout), "SharedMutex::LockFor");
}
TryLockOutcome SharedMutex::LockUntil(std::chrono::steady_clock::time_point deadline) {
  return LockBy(DeadlineAt(deadline), "SharedMutex::LockUntil");
}

void SharedMutex::Unlock() {
  const Caller caller{"SharedMutex::Unlock", this};
  GiveBack(word_, SelfOrDie(caller), Wake::kAll, caller);
}

void SharedMutex::MarkRepaired() { MarkWordRepaired(word_, {"SharedMutex::MarkRepaired", this}); }

LockOutcome SharedMutex::LockShared() {
  return Locked(LockSharedBy(kNever, "SharedMutex::LockShared"));
}
TryLockOutcome SharedMutex::TryLockShared() {
  return LockSharedBy(kNow, "SharedMutex::TryLockShared");
}
TryLockOutcome SharedMutex::LockSharedFor(std::chrono::nanoseconds timeout) {
  return LockSharedBy(DeadlineAfter(timeout), "SharedMutex::LockSharedFor");
}
TryLockOutcome SharedMutex::LockSharedUntil(std::chrono::steady_clock::time_point deadline) {
  return LockSharedBy(DeadlineAt(deadline), "SharedMutex::LockSharedUntil");
}

void SharedMutex::UnlockShared() {
  const Caller caller{"SharedMutex::UnlockShared", this};
  Leave(OwnerIdOf(SelfOrDie(caller)), caller.call);
}

}  // namespace uarena
