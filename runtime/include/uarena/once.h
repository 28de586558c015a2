// SPDX-License-Identifier: Apache-2.0
///
/// OnceFlag: something in arena memory that one of all processes does, once.
///
///   uarena::CallOnce(table->made, [&](uarena::LockOutcome before) {
///     if (before == uarena::LockOutcome::kOwnerDied) table->Clear();  // somebody died half way
///     table->Fill();
///   });
#ifndef UARENA_ONCE_H_
#define UARENA_ONCE_H_

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/base/optimization.h"
#include "uarena/internal/thread_owner.h"
#include "uarena/lock_outcome.h"

namespace uarena {

/// Plain data, 8 bytes; zeroed arena memory is a flag for which nothing was called.
class OnceFlag {
 public:
  constexpr OnceFlag() = default;
  OnceFlag(const OnceFlag&) = delete;
  OnceFlag& operator=(const OnceFlag&) = delete;

  /// Whether a call has returned; what it did can be seen then.
  bool done() const {
    return (word_.load(std::memory_order_acquire) & internal::kOwnerIdMask) == internal::kNoOwner;
  }

 private:
  // The calling thread's turn to call, if it is one.
  class Turn {
   public:
    explicit Turn(OnceFlag& flag);
    ~Turn();  // without Finish: the flag is as before
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    bool mine() const { return self_ != 0; }
    LockOutcome before() const { return before_; }
    void Finish();

   private:
    OnceFlag& flag_;
    internal::ThreadOwner self_ = 0;
    LockOutcome before_ = LockOutcome::kClean;
  };
  template <typename Function>
  friend void CallOnce(OnceFlag& flag, Function&& function);

  std::atomic<uint64_t> word_{0};  // see sync/owned_word.h
};
static_assert(sizeof(OnceFlag) == 8 && std::is_standard_layout_v<OnceFlag> &&
              std::is_trivially_destructible_v<OnceFlag>);

/// Calls `function(LockOutcome)` unless a call with this flag has returned, in any process; waits
/// while one is running elsewhere. If the process that runs one dies, or detaches, the next is
/// called with kOwnerDied, within some 15 ms if it is waiting: what the first did may be half done.
/// If `function` throws, that is passed on and the flag is as it was before.
///
/// Thread-safety: for any threads of any processes. Not for signal handlers that may interrupt
/// `function`. Fork: a call that was running stays the parent's, and must not return in the child.
/// These end the program: `function` calling CallOnce with its own flag; a flag that is not in an
/// arena that this process has attached for writing, unless it is done.
template <typename Function>
void CallOnce(OnceFlag& flag, Function&& function) {
  if (ABSL_PREDICT_TRUE(flag.done())) return;
  OnceFlag::Turn turn(flag);
  if (!turn.mine()) return;
  std::forward<Function>(function)(turn.before());
  turn.Finish();
}

}  // namespace uarena

#endif  // UARENA_ONCE_H_
