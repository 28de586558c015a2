// SPDX-License-Identifier: Apache-2.0
#include "pages/recovery.h"

#include <algorithm>
#include <cerrno>

#include "os/failpoint.h"
#include "os/fd.h"
#include "os/syscall.h"
#include "pages/kept_pages.h"
#include "pages/operation.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

// One recovery at a time in a process; others find it busy and leave the work to it. Its descriptor
// is kept where a forked child can close it: a copy of it would hold the dead process's lock.
std::atomic<bool> g_recovering{false};
std::atomic<int> g_recovery_fd{-1};

uint32_t ProcessHigh(const Control& control) {
  return std::min(control.header().process_high.load(std::memory_order_acquire), kMaxProcesses);
}

uint32_t OperationHigh(const Control& control) {
  return std::min(control.header().operation_high.load(std::memory_order_acquire), kMaxOperations);
}

uint32_t CacheHigh(const Control& control) {
  return std::min(control.header().cache_high.load(std::memory_order_acquire), kMaxHeapCaches);
}

void RecoverOperation(const PageContext& context, uint32_t operation) {
  const Control& control = *context.control;
  // Its last transaction may be published and not yet applied.
  HelpPending(control);
  UARENA_FAILPOINT("recover.operation");
  switch (LoadIntent(control, operation).kind) {
    case IntentKind::kNone:
      break;
    case IntentKind::kAllocate:
    case IntentKind::kReserve:
      UndoClaim(context, operation);
      break;
    case IntentKind::kTouch:
      FinishTouch(context, operation);
      break;
    case IntentKind::kFree:
      FinishFree(context, operation);
      break;
    case IntentKind::kFreeRun:
      FreeRun(context, operation);
      break;
    case IntentKind::kConvert:
      FinishConvert(context, operation);
      break;
    case IntentKind::kKeep:
      RecoverKeep(context, operation);
      break;
    case IntentKind::kTakeKept:
      RecoverTakeKept(context, operation);
      break;
    default:
      StoreIntentKind(control, operation, IntentKind::kNone, 0);
  }
  control.operation(operation).owner.store(0, std::memory_order_release);
}

// Whether recovering the process takes more than giving its slot back.
bool LeftWork(const Control& control, uint32_t slot) {
  for (const std::atomic<uint64_t>& hint : control.process(slot).kept) {
    if (hint.load(std::memory_order_acquire) != 0) return true;
  }
  for (uint32_t i = 1; i < OperationHigh(control); ++i) {
    if (control.operation(i).owner.load(std::memory_order_acquire) == slot + 1) return true;
  }
  for (uint32_t i = 1; i < CacheHigh(control); ++i) {
    if (CacheOwner(control.cache(i).load(std::memory_order_acquire)) == slot + 1) return true;
  }
  return false;
}

class RecoveryFd {
 public:
  explicit RecoveryFd(int fd) { g_recovery_fd.store(fd); }
  ~RecoveryFd() { g_recovery_fd.store(-1); }
  RecoveryFd(const RecoveryFd&) = delete;
  RecoveryFd& operator=(const RecoveryFd&) = delete;
};

int RecoverAlone(const Control& control, const PageContext* context) {
  int dead = 0;
  for (uint32_t slot = 0; slot < ProcessHigh(control); ++slot) {
    ProcessRecord& record = control.process(slot);
    if (record.state.load(std::memory_order_acquire) == 0) continue;
    // Asked first without a descriptor of our own: the common answer is "alive".
    if (sys::ByteLocked(control.fd(), control.LockOffset(slot)) != 0) continue;
    const UniqueFd lock(sys::Reopen(control.fd()));
    if (!lock.valid()) return lock.get();
    const RecoveryFd kept(lock.get());
    if (sys::LockByte(lock.get(), control.LockOffset(slot)) != 0) continue;
    if (record.state.load(std::memory_order_acquire) == 0) continue;
    // From here on our lock, however long we may be stopped with it, is not taken for the dead
    // one's.
    record.generation.fetch_add(1, std::memory_order_release);
    if (context == nullptr && LeftWork(control, slot)) continue;
    for (uint32_t i = 1; i < OperationHigh(control); ++i) {
      if (control.operation(i).owner.load(std::memory_order_acquire) == slot + 1) {
        RecoverOperation(*context, i);
      }
    }
    if (LeftWork(control, slot)) {
      // As if it released them itself; so if we die as well, the next recovery goes on with it.
      const Operation operation(control, slot);
      if (operation.index() == 0) continue;
      if (context->recover_heap != nullptr)
        context->recover_heap(*context, operation.index(), slot);
      ReleaseKeptOf(*context, operation.index(), slot);
    }
    record.state.store(0, std::memory_order_release);
    ++dead;
  }
  return dead;
}

int Recover(const Control& control, const PageContext* context) {
  if (g_recovering.exchange(true)) return 0;
  const int dead = RecoverAlone(control, context);
  g_recovering.store(false);
  return dead;
}

}  // namespace

void AbandonRecoveryAfterFork() {
  UniqueFd copied(g_recovery_fd.exchange(-1));
  g_recovering.store(false);
}

int RecoverDeadProcesses(const Control& control, const PageContext& context) {
  return Recover(control, &context);
}

int RecoverDeadProcesses(const Control& control) { return Recover(control, nullptr); }

uint32_t CountProcesses(const Control& control) {
  uint32_t count = 0;
  for (uint32_t slot = 0; slot < ProcessHigh(control); ++slot) {
    if (control.process(slot).state.load(std::memory_order_acquire) != 0 &&
        sys::ByteLocked(control.fd(), control.LockOffset(slot)) == 1) {
      ++count;
    }
  }
  return count;
}

}  // namespace uarena
