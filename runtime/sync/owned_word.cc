// SPDX-License-Identifier: Apache-2.0
#include "sync/owned_word.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "client/arena_impl.h"
#include "client/attached.h"
#include "os/failpoint.h"
#include "os/syscall.h"
#include "pages/operation.h"

namespace uarena {
namespace {

static_assert(internal::kOwnerIdMask == (uint64_t{1} << kOwnerBits) - 1);
static_assert(internal::kNoOwner == (uint64_t{1} << kOwnerSlotBits) - 1);
// The futex is the low half.
static_assert(std::endian::native == std::endian::little);

constexpr int kSpins = 100;

// What taking makes of an unowned word, or of one whose owner died.
uint64_t TakenWord(uint64_t seen, ThreadOwner self, Take how, uint64_t flags) {
  const uint64_t owner = how == Take::kPass ? 0 : self;
  return owner | (how == Take::kReserve ? kPending : 0) | (seen & kDied) | flags;
}

Taken Outcome(uint64_t word) { return (word & kDied) != 0 ? Taken::kOwnerDied : Taken::kClean; }

}  // namespace

uint64_t DeadlineAfter(std::chrono::nanoseconds timeout) {
  const uint64_t now = sys::NowNs();
  if (timeout.count() <= 0) return now;
  return now + static_cast<uint64_t>(timeout.count());
}

uint64_t DeadlineAt(std::chrono::steady_clock::time_point time) {
  const std::chrono::nanoseconds since = time.time_since_epoch();
  return static_cast<uint64_t>(std::max<int64_t>(since.count(), 1));
}

void Die(const Caller& caller, const char* why) {
  char message[256];
  const int length =
      snprintf(message, sizeof(message), "uarena: %s at %p: %s\n", caller.call, caller.object, why);
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, message, std::min<size_t>(length, sizeof(message) - 1));
  abort();
}

ThreadOwner SelfOrDie(const Caller& caller) {
  if (const ThreadOwner self = internal::CachedThreadOwner(caller.object); self != 0) return self;
  if (const ThreadOwner self = internal::FindThreadOwner(caller.object); self != 0) return self;
  Die(caller, FindAttached(caller.object).has_value()
                  ? "it lies in an arena that is attached for reading only here"
                  : "it lies in no arena that this process has attached");
}

void CheckOwned(uint64_t word, ThreadOwner self, const Caller& caller) {
  if (OwnerOf(word) == self) return;
  if (!IsOwned(word)) Die(caller, "nobody has it locked");
  Die(caller, (OwnerOf(word) & internal::kOwnerIdMask) == (self & internal::kOwnerIdMask)
                  ? "another thread has it locked"
                  : "another process has it locked (the parent, if this is a forked child)");
}

bool OwnerDied(const void* object, uint32_t owner_id) {
  const std::optional<Attached> attached = FindAttached(object);
  return attached.has_value() && attached->owner_id != owner_id &&
         !OwnerAlive(attached->arena->control(), owner_id);
}

bool SleptThrough(const void* futex, uint32_t expected, uint64_t deadline) {
  const uint64_t now = sys::NowNs();
  const uint64_t timeout = deadline <= now ? 0 : std::min(kLookNs, deadline - now);
  return sys::FutexWait(futex, expected, timeout) == -ETIMEDOUT;
}

void WakeAll(const void* futex) { sys::FutexWake(futex, INT_MAX); }

bool SpinOnce(int* spins) {
  if (++*spins > kSpins) return false;
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
  return true;
}

Taken TakeWord(std::atomic<uint64_t>& word, ThreadOwner self, Take how, uint64_t deadline,
               const Caller& caller) {
  uint64_t waiters = 0;
  int spins = 0;
  uint64_t seen = word.load(std::memory_order_acquire);
  for (;;) {
    if (!IsOwned(seen)) {
      const uint64_t taken = TakenWord(seen, self, how, waiters);
      if (how == Take::kPass) return Outcome(seen);
      if (word.compare_exchange_weak(seen, taken, std::memory_order_seq_cst,
                                     std::memory_order_acquire)) {
        UARENA_FAILPOINT("lock.taken");
        return Outcome(taken);
      }
      continue;
    }
    const auto owner_id = static_cast<uint32_t>(seen & internal::kOwnerIdMask);
    if (owner_id == internal::kNoOwner) return Taken::kDone;
    bool look = deadline == kNow;
    if (!look) {
      if (OwnerOf(seen) == self) Die(caller, "this thread has it locked already");
      if ((seen & kWaiters) == 0) {
        if (SpinOnce(&spins)) {
          seen = word.load(std::memory_order_acquire);
          continue;
        }
        // Also when the time is up: a wake-up may have come to us that was the others'.
        if (!word.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_acquire,
                                        std::memory_order_acquire)) {
          continue;
        }
        seen |= kWaiters;
      }
      // Whoever takes it after having slept cannot know whether others sleep on.
      waiters = kWaiters;
      UARENA_FAILPOINT("lock.sleep");
      look = SleptThrough(&word, static_cast<uint32_t>(seen), deadline);
    }
    if (look) {
      if (OwnerDied(&word, owner_id)) {
        const uint64_t died = (seen & kPending) != 0 ? 0 : kDied;
        // The sleepers stay with who takes it.
        const uint64_t taken = TakenWord(seen, self, how, died | (seen & kWaiters));
        UARENA_FAILPOINT("lock.owner_died");
        if (word.compare_exchange_strong(seen, how == Take::kPass ? taken & ~kWaiters : taken,
                                         std::memory_order_seq_cst, std::memory_order_acquire)) {
          UARENA_FAILPOINT("lock.taken");
          if (how == Take::kPass && (taken & kWaiters) != 0) WakeAll(&word);
          return Outcome(taken);
        }
        continue;
      }
      if (deadline == kNow || (deadline != kNever && sys::NowNs() >= deadline)) {
        return Taken::kBusy;
      }
    }
    seen = word.load(std::memory_order_acquire);
  }
}

void GiveBack(std::atomic<uint64_t>& word, ThreadOwner self, Wake wake, const Caller& caller) {
  uint64_t seen = word.load(std::memory_order_relaxed);
  do {
    CheckOwned(seen, self, caller);
  } while (!word.compare_exchange_weak(seen, seen & kDied, std::memory_order_release,
                                       std::memory_order_relaxed));
  UARENA_FAILPOINT("unlock.given");
  if ((seen & kWaiters) != 0) sys::FutexWake(&word, wake == Wake::kOne ? 1 : INT_MAX);
}

void MarkWordRepaired(std::atomic<uint64_t>& word, const Caller& caller) {
  CheckOwned(word.load(std::memory_order_relaxed), SelfOrDie(caller), caller);
  word.fetch_and(~kDied, std::memory_order_relaxed);
}

}  // namespace uarena
