// SPDX-License-Identifier: Apache-2.0
///
/// SharedMutex: a readers-writer lock in arena memory that survives its owners, as Mutex does.
#ifndef UARENA_SHARED_MUTEX_H_
#define UARENA_SHARED_MUTEX_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "uarena/internal/thread_owner.h"
#include "uarena/lock_outcome.h"

namespace uarena {

/// Held by one writer, or by any number of readers. Plain data, 256 bytes; zeroed arena memory is
/// an unlocked one. A writer that dies gives kOwnerDied to those who come after, readers included,
/// until a writer marks it repaired; a reader that dies has damaged nothing and is forgotten, as is
/// a writer that dies while it waits. Both within some 15 ms of somebody waiting for them.
///
/// Writers go before readers: once one waits, new readers wait, so that no stream of readers keeps
/// it out. A stream of writers can keep readers out. A thread that reads must not ask again, not
/// even to read: between the two a writer may have come.
///
/// 30 processes can read at a time, each with 65,535 threads. More processes take turns.
///
/// Thread-safety, signal handlers, fork, errors: as Mutex. Which thread of a process reads is not
/// noted, so unlocking by one of them what another has locked is not seen.
class SharedMutex {
 public:
  static constexpr int kReaderSlots = 30;

  constexpr SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  /// For writing.
  LockOutcome Lock();
  TryLockOutcome TryLock();
  TryLockOutcome LockFor(std::chrono::nanoseconds timeout);
  TryLockOutcome LockUntil(std::chrono::steady_clock::time_point deadline);
  void Unlock();

  /// After kOwnerDied, as Mutex::MarkRepaired; only while it is held for writing.
  void MarkRepaired();

  /// For reading. kOwnerDied: held, but what it protects may be damaged, and a reader cannot
  /// repair it: unlock, Lock, and repair, or use ReaderLock, which does.
  LockOutcome LockShared();
  TryLockOutcome TryLockShared();
  TryLockOutcome LockSharedFor(std::chrono::nanoseconds timeout);
  TryLockOutcome LockSharedUntil(std::chrono::steady_clock::time_point deadline);
  void UnlockShared();

 private:
  TryLockOutcome LockBy(uint64_t deadline, const char* call);
  TryLockOutcome LockSharedBy(uint64_t deadline, const char* call);
  bool AwaitReaders(internal::ThreadOwner self, uint64_t deadline);
  bool AwaitSlot(internal::ThreadOwner self, uint64_t deadline);
  bool Enter(uint32_t owner_id);
  void Leave(uint32_t owner_id, const char* call);
  bool HasReaders() const;
  void ForgetDeadReaders(uint32_t owner_id);

  std::atomic<uint64_t> word_{0};  // the writer; see sync/owned_word.h
  // Counts on when a reader leaves while somebody waits for that.
  std::atomic<uint32_t> left_{0};
  // Each a process that reads, or has read.
  std::atomic<uint64_t> readers_[kReaderSlots]{};
};
static_assert(sizeof(SharedMutex) == 256 && std::is_standard_layout_v<SharedMutex> &&
              std::is_trivially_destructible_v<SharedMutex>);

/// Holds a SharedMutex for writing while it lives, and repairs as MutexLock does.
template <typename Repair>
class [[nodiscard]] WriterLock {
 public:
  [[nodiscard]] WriterLock(SharedMutex& mutex, Repair repair) : mutex_(mutex) {
    if (mutex_.Lock() == LockOutcome::kClean) return;
    Unlocker unlocker{&mutex_};
    repair();
    mutex_.MarkRepaired();
    unlocker.mutex = nullptr;
  }
  ~WriterLock() { mutex_.Unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  struct Unlocker {
    ~Unlocker() {
      if (mutex != nullptr) mutex->Unlock();
    }
    SharedMutex* mutex;
  };

  SharedMutex& mutex_;
};

/// Holds a SharedMutex for reading while it lives. If an owner died, it becomes a writer for as
/// long as `repair` takes, then reads; if `repair` throws, nothing is held or marked repaired.
template <typename Repair>
class [[nodiscard]] ReaderLock {
 public:
  [[nodiscard]] ReaderLock(SharedMutex& mutex, Repair repair) : mutex_(mutex) {
    while (mutex_.LockShared() == LockOutcome::kOwnerDied) {
      mutex_.UnlockShared();
      const WriterLock<Repair&> repaired(mutex_, repair);
    }
  }
  ~ReaderLock() { mutex_.UnlockShared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace uarena

#endif  // UARENA_SHARED_MUTEX_H_
