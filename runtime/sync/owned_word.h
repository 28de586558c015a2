// SPDX-License-Identifier: Apache-2.0
//
// A word that has an owner, of which every lock consists:
//
//     63        62 … 32    31      30        29 … 0
//     pending │ thread │ died │ waiters │ owner id
//
// Owned by the thread of the process (a ThreadOwner), or by nobody if the owner id is 0. It is
// taken and given back by one compare-and-swap; those who wait sleep on the low half, a futex, and
// look now and then whether the owner is alive. A dead owner's word is simply taken: its owner id
// is nobody's ever again, so a compare-and-swap from what it left cannot take a live one's.
//
//   waiters  somebody may sleep: whoever gives the word back wakes
//   died     an owner ended while what the word protects may have been half changed
//   pending  the owner has not begun: should it end, nothing is half changed
#ifndef UARENA_SYNC_OWNED_WORD_H_
#define UARENA_SYNC_OWNED_WORD_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "uarena/internal/thread_owner.h"
#include "uarena/lock_outcome.h"

namespace uarena {

using internal::ThreadOwner;

inline constexpr uint64_t kWaiters = uint64_t{1} << 30;
inline constexpr uint64_t kDied = uint64_t{1} << 31;
inline constexpr uint64_t kPending = uint64_t{1} << 63;

inline bool IsOwned(uint64_t word) { return (word & internal::kOwnerIdMask) != 0; }
inline ThreadOwner OwnerOf(uint64_t word) { return word & ~(kPending | kDied | kWaiters); }

// How long a sleeper trusts that the owner is alive.
inline constexpr uint64_t kLookNs = 15'000'000;

// Points in time, in ns of CLOCK_MONOTONIC.
inline constexpr uint64_t kNow = 0;
inline constexpr uint64_t kNever = UINT64_MAX;
uint64_t DeadlineAfter(std::chrono::nanoseconds timeout);
uint64_t DeadlineAt(std::chrono::steady_clock::time_point time);

// Of which call on which object messages are.
struct Caller {
  const char* call;
  const void* object;
};
[[noreturn]] void Die(const Caller& caller, const char* why);

// Who the calling thread is in the arena of the object. Ends the program if it is nobody.
ThreadOwner SelfOrDie(const Caller& caller);
// Ends the program unless the word is owned by the calling thread.
void CheckOwned(uint64_t word, ThreadOwner self, const Caller& caller);
// Whether a process is gone. `object` is in the arena meant.
bool OwnerDied(const void* object, uint32_t owner_id);

// Sleeps while the futex holds `expected`, for kLookNs at most. True: nobody woke it in all the
// time it had.
bool SleptThrough(const void* futex, uint32_t expected, uint64_t deadline);
void WakeAll(const void* futex);
// So many looks before it sleeps. False: that was enough.
bool SpinOnce(int* spins);

enum class Take {
  kOwn,
  kReserve,  // own it, pending
  kPass,     // wait until nobody owns it
};
enum class Taken { kClean, kOwnerDied, kBusy, kDone };

// Waits for the word until `deadline`, and takes it. kBusy: not until then; kDone: the owner is
// kNoOwner. Ends the program if the thread owns the word and would wait for itself.
Taken TakeWord(std::atomic<uint64_t>& word, ThreadOwner self, Take how, uint64_t deadline,
               const Caller& caller);
enum class Wake { kOne, kAll };
// Gives it back. What died stays so.
void GiveBack(std::atomic<uint64_t>& word, ThreadOwner self, Wake wake, const Caller& caller);
void MarkWordRepaired(std::atomic<uint64_t>& word, const Caller& caller);

// Neither is kDone.
inline TryLockOutcome Tried(Taken taken) {
  if (taken == Taken::kBusy) return TryLockOutcome::kBusy;
  return taken == Taken::kClean ? TryLockOutcome::kClean : TryLockOutcome::kOwnerDied;
}
// Of a wait without end.
inline LockOutcome Locked(TryLockOutcome outcome) {
  return outcome == TryLockOutcome::kClean ? LockOutcome::kClean : LockOutcome::kOwnerDied;
}

}  // namespace uarena

#endif  // UARENA_SYNC_OWNED_WORD_H_
