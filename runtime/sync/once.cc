// SPDX-License-Identifier: Apache-2.0
#include "uarena/once.h"

#include "sync/owned_word.h"

namespace uarena {

OnceFlag::Turn::Turn(OnceFlag& flag) : flag_(flag) {
  const Caller caller{"CallOnce", &flag};
  const ThreadOwner self = SelfOrDie(caller);
  const Taken taken = TakeWord(flag.word_, self, Take::kOwn, kNever, caller);
  if (taken == Taken::kDone) return;
  self_ = self;
  before_ = taken == Taken::kClean ? LockOutcome::kClean : LockOutcome::kOwnerDied;
}

OnceFlag::Turn::~Turn() {
  if (!mine()) return;
  const Caller caller{"CallOnce, leaving", &flag_};
  // Not self_: it may be a forked child's copy.
  GiveBack(flag_.word_, SelfOrDie(caller), Wake::kAll, caller);
}

void OnceFlag::Turn::Finish() {
  const Caller caller{"CallOnce, returning", &flag_};
  CheckOwned(flag_.word_.load(std::memory_order_relaxed), SelfOrDie(caller), caller);
  const uint64_t before = flag_.word_.exchange(internal::kNoOwner, std::memory_order_release);
  self_ = 0;
  if ((before & kWaiters) != 0) WakeAll(&flag_.word_);
}

}  // namespace uarena
