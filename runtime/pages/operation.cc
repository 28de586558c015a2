// SPDX-License-Identifier: Apache-2.0
#include "pages/operation.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "os/failpoint.h"
#include "os/status.h"
#include "os/syscall.h"
#include "pages/recovery.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

void ClearCounters(ProcessRecord& record) {
  record.faults.store(0, std::memory_order_relaxed);
  record.pages_populated.store(0, std::memory_order_relaxed);
  record.resolve_ns.store(0, std::memory_order_relaxed);
  for (auto& bucket : record.batch_pages) bucket.store(0, std::memory_order_relaxed);
  for (auto& bucket : record.resolve_ns_log2) bucket.store(0, std::memory_order_relaxed);
}

}  // namespace

void RaiseTo(std::atomic<uint32_t>& mark, uint32_t value) {
  uint32_t seen = mark.load(std::memory_order_relaxed);
  while (seen < value && !mark.compare_exchange_weak(seen, value)) {
  }
}

absl::StatusOr<Membership> Membership::Join(const Control& control) {
  Membership membership;
  membership.lock_fd_.reset(sys::Reopen(control.fd()));
  if (!membership.lock_fd_.valid()) {
    return ErrnoStatus(membership.lock_fd_.get(),
                       "reopening the control memfd through /proc/self/fd",
                       "/proc must be mounted");
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (uint32_t slot = 0; slot < kMaxProcesses; ++slot) {
      ProcessRecord& record = control.process(slot);
      if (record.state.load(std::memory_order_acquire) != 0) continue;
      const int locked = sys::LockByte(membership.lock_fd_.get(), control.LockOffset(slot));
      if (locked == -EAGAIN || locked == -EACCES) continue;
      if (locked < 0) return ErrnoStatus(locked, "locking a byte of the control memfd");
      if (record.state.load(std::memory_order_acquire) != 0) {
        // Its last holder had marked it and died before us.
        sys::UnlockByte(membership.lock_fd_.get(), control.LockOffset(slot));
        continue;
      }
      UARENA_FAILPOINT("join.locked");
      ClearCounters(record);
      record.generation.fetch_add(1, std::memory_order_relaxed);
      record.pid.store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);
      RaiseTo(control.header().process_high, slot + 1);
      record.state.store(1, std::memory_order_release);
      UARENA_FAILPOINT("join.attached");
      membership.slot_ = slot;
      return membership;
    }
    RecoverDeadProcesses(control);
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(kMaxProcesses, " processes are attached to this arena already"));
}

void Membership::Leave(const Control& control) {
  if (!lock_fd_.valid()) return;
  UARENA_FAILPOINT("leave.attached");
  control.process(slot_).state.store(0, std::memory_order_release);
  UARENA_FAILPOINT("leave.locked");
  lock_fd_.reset();
}

uint32_t OwnerId(const Control& control, uint32_t slot) {
  const uint32_t generation = control.process(slot).generation.load(std::memory_order_acquire);
  return ((generation & ((1u << kOwnerGenerationBits) - 1)) << kOwnerSlotBits) | (slot + 1);
}

bool OwnerAlive(const Control& control, uint32_t owner_id) {
  const uint32_t slot = (owner_id & ((1u << kOwnerSlotBits) - 1)) - 1;
  if (slot >= kMaxProcesses) return false;
  if (control.process(slot).state.load(std::memory_order_acquire) == 0) return false;
  if (OwnerId(control, slot) != owner_id) return false;
  // An error is no proof of death.
  return sys::ByteLocked(control.fd(), control.LockOffset(slot)) != 0;
}

Operation::Operation(const Control& control, uint32_t process_slot) : control_(control) {
  // Threads start at places of their own, so that the record is usually the one they had last time.
  const auto thread = reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
  const uint32_t home = process_slot * 4 + static_cast<uint32_t>(thread >> 12) % 4;
  for (uint32_t i = 0; i < kMaxOperations; ++i) {
    const uint32_t index = (home + i) % (kMaxOperations - 1) + 1;
    std::atomic<uint32_t>& owner = control.operation(index).owner;
    if (owner.load(std::memory_order_relaxed) != 0) continue;
    // Before it is taken, so that recovery looks at it if we are killed right after.
    RaiseTo(control.header().operation_high, index + 1);
    uint32_t expected = 0;
    if (owner.compare_exchange_strong(expected, process_slot + 1, std::memory_order_acq_rel)) {
      index_ = index;
      return;
    }
  }
}

Operation::~Operation() {
  if (index_ != 0) control_.operation(index_).owner.store(0, std::memory_order_release);
}

Intent LoadIntent(const Control& control, uint32_t operation) {
  auto load = [&](IntentWord word) {
    return WordValue(
        control.word(control.IntentIndex(operation, word)).load(std::memory_order_acquire));
  };
  Intent intent;
  const uint32_t packed = load(kIntentKind);
  intent.kind = KindOf(packed);
  intent.phase = PhaseOf(packed);
  // Clipped, since the words may have been damaged by whoever can write to them.
  const uint64_t max_pages = control.max_pages();
  intent.first = std::min<uint64_t>(load(kIntentFirst), max_pages);
  intent.count = std::min<uint64_t>(load(kIntentCount), max_pages - intent.first);
  intent.cursor = load(kIntentCursor);
  intent.wanted = load(kIntentWanted);
  return intent;
}

void StoreIntent(const Control& control, uint32_t operation, const Intent& intent) {
  auto store = [&](IntentWord word, uint64_t value) {
    StoreWord(control.word(control.IntentIndex(operation, word)), static_cast<uint32_t>(value));
  };
  store(kIntentFirst, intent.first);
  store(kIntentCount, intent.count);
  store(kIntentCursor, intent.cursor);
  store(kIntentWanted, intent.wanted);
  store(kIntentKind, PackIntent(intent.kind, intent.phase));
}

void StoreIntentKind(const Control& control, uint32_t operation, IntentKind kind, uint32_t phase) {
  StoreWord(control.word(control.IntentIndex(operation, kIntentKind)), PackIntent(kind, phase));
}

}  // namespace uarena
