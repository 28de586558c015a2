// SPDX-License-Identifier: Apache-2.0
//
// Transactions on the words of the control memory: several words change at once, or none does,
// whatever happens to the process in between.
//
// Invariant: at most one transaction is pending; its writes are fixed in its operation's record;
// and every word it writes has either an older version (not yet applied) or its number (applied).
// No word is written by a later transaction before all of them have its number.
//
// Example: head = 41|done. A begins, reads word 7 = {5, v38}, wants 6. B commits 42. A's commit
// finds head 42, not 41: A starts again and reads what B left. Had A published 42 first and been
// killed there, B would have found 42|pending, swapped {5, v38} for {6, v42} in A's place, marked
// 42 done, and gone on.
#ifndef UARENA_PAGES_TRANSACTION_H_
#define UARENA_PAGES_TRANSACTION_H_

#include <cstdint>

#include "pages/control.h"
#include "pages/layout.h"

namespace uarena {

// One attempt after another to change words. Belongs to one thread; async-signal-safe. The record
// of `operation` must be this caller's for as long as the object lives.
class Transaction {
 public:
  Transaction(const Control& control, uint32_t operation)
      : control_(control), operation_(operation) {}

  // Starts an attempt: finishes a pending transaction, forgets earlier reads and writes.
  void Begin();

  // The word's value as this attempt sees it. May be inconsistent with other reads until Commit or
  // Validate says otherwise. `index` must be within the layout.
  uint32_t Read(uint64_t index) const;
  void Write(uint64_t index, uint32_t value);
  void Add(uint64_t index, int64_t delta) {
    Write(index, static_cast<uint32_t>(Read(index) + delta));
  }

  // Makes the writes happen; false: somebody else's came first and nothing has happened.
  bool Commit();
  // Whether everything read since Begin was consistent.
  bool Validate() const;

  // What was read makes no sense. Whoever loops on attempts gives up when Validate says that the
  // reads were consistent: then the memory itself is damaged.
  void MarkInconsistent() { inconsistent_ = true; }
  bool inconsistent() const { return inconsistent_; }

  const Control& control() const { return control_; }
  uint32_t operation() const { return operation_; }

 private:
  struct LocalWrite {
    uint64_t index;
    uint32_t old_value;
    uint32_t new_value;
  };

  const LocalWrite* Find(uint64_t index) const;

  const Control& control_;
  const uint32_t operation_;
  uint64_t begin_head_ = 0;
  uint64_t filter_ = 0;  // one bit for each written index, hashed: most reads need no search
  uint32_t used_ = 0;
  bool inconsistent_ = false;
  LocalWrite writes_[kMaxWrites];
};

// Changes a word outside transactions. Only for who owns what the word describes, so that no
// transaction writes it meanwhile. A late helper's compare-and-swap expects an older version, so a
// plain store that keeps the version is enough.
inline void StoreWord(Word& word, uint32_t value) {
  const uint64_t seen = word.load(std::memory_order_relaxed);
  word.store(MakeWord(value, WordVersion(seen)), std::memory_order_release);
}

// Applies the pending transaction, if there is one.
void HelpPending(const Control& control);

// Repeats `attempt(transaction)` until it commits. It returns 0 to have its writes committed, or a
// negative errno to end without them; that value is returned, once it is known to rest on
// consistent reads. -EUCLEAN: the shared memory is damaged.
template <typename Attempt>
int RunTransaction(const Control& control, uint32_t operation, Attempt attempt) {
  Transaction transaction(control, operation);
  while (true) {
    transaction.Begin();
    const int result = attempt(transaction);
    if (transaction.inconsistent()) {
      if (transaction.Validate()) return -117;  // EUCLEAN
      continue;
    }
    if (result == 0 ? transaction.Commit() : transaction.Validate()) return result;
  }
}

}  // namespace uarena

#endif  // UARENA_PAGES_TRANSACTION_H_
