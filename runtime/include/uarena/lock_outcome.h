// SPDX-License-Identifier: Apache-2.0
///
/// What taking a lock in arena memory answers. Locks survive their owners: when a process is killed
/// with one, the next to take it gets it, and is told.
#ifndef UARENA_LOCK_OUTCOME_H_
#define UARENA_LOCK_OUTCOME_H_

namespace uarena {

/// The lock is held now, either way.
enum class [[nodiscard]] LockOutcome{
    kClean,
    /// A process ended, or detached, in the middle of changing what the lock protects. So every
    /// taker is told until one calls MarkRepaired.
    kOwnerDied,
};

/// Of calls that do not wait for ever.
enum class [[nodiscard]] TryLockOutcome{
    kClean,      ///< held
    kOwnerDied,  ///< held, and damaged as above
    kBusy,       ///< not held
};

/// Of waits with a time limit. The mutex is held again, whichever it is.
enum class [[nodiscard]] WaitOutcome{
    kClean,
    kOwnerDied,  ///< as LockOutcome::kOwnerDied
    kTimedOut,
};

}  // namespace uarena

#endif  // UARENA_LOCK_OUTCOME_H_
