// SPDX-License-Identifier: Apache-2.0
#include "pages/transaction.h"

#include "os/failpoint.h"

namespace uarena {
namespace {

// head: number << 13 | pending << 12 | operation.
constexpr uint64_t kPending = uint64_t{1} << 12;
constexpr uint64_t kOperationMask = kPending - 1;
constexpr int kNumberShift = 13;

uint64_t Number(uint64_t head) { return head >> kNumberShift; }

// One of 64, spread: the words of a range are eight apart.
uint64_t FilterBit(uint64_t index) { return uint64_t{1} << (index * 0x9e3779b97f4a7c15 >> 58); }

void Apply(const Control& control, uint64_t head) {
  std::atomic<uint64_t>& shared_head = control.header().head;
  OperationRecord& record = control.operation(head & kOperationMask);
  const auto number = static_cast<uint32_t>(Number(head));
  uint32_t count = record.writes_used.load(std::memory_order_acquire);
  if (count > kMaxWrites) count = kMaxWrites;  // only a damaged record says so
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t index = record.writes[i].index.load(std::memory_order_acquire);
    const auto value =
        static_cast<uint32_t>(record.writes[i].value.load(std::memory_order_acquire));
    if (index >= control.layout().word_count) continue;
    Word& word = control.word(index);
    uint64_t seen = word.load(std::memory_order_acquire);
    // The record and the word are this transaction's only if it was still pending after they were
    // read; otherwise it is complete and there is nothing to help.
    if (shared_head.load(std::memory_order_acquire) != head) return;
    const uint64_t wanted = MakeWord(value, number);
    if (seen == wanted) continue;
    word.compare_exchange_strong(seen, wanted, std::memory_order_acq_rel);
    UARENA_FAILPOINT("transaction.apply");
  }
  uint64_t expected = head;
  shared_head.compare_exchange_strong(expected, head & ~kPending, std::memory_order_acq_rel);
}

}  // namespace

void HelpPending(const Control& control) {
  const uint64_t head = control.header().head.load(std::memory_order_acquire);
  if ((head & kPending) != 0) Apply(control, head);
}

void Transaction::Begin() {
  used_ = 0;
  filter_ = 0;
  inconsistent_ = false;
  std::atomic<uint64_t>& head = control_.header().head;
  begin_head_ = head.load(std::memory_order_acquire);
  while ((begin_head_ & kPending) != 0) {
    Apply(control_, begin_head_);
    begin_head_ = head.load(std::memory_order_acquire);
  }
}

const Transaction::LocalWrite* Transaction::Find(uint64_t index) const {
  if ((filter_ & FilterBit(index)) == 0) return nullptr;
  for (uint32_t i = used_; i-- > 0;) {
    if (writes_[i].index == index) return &writes_[i];
  }
  return nullptr;
}

uint32_t Transaction::Read(uint64_t index) const {
  if (const LocalWrite* write = Find(index); write != nullptr) return write->new_value;
  // An index computed from damaged words.
  if (index >= control_.layout().word_count) return 0;
  return WordValue(control_.word(index).load(std::memory_order_acquire));
}

void Transaction::Write(uint64_t index, uint32_t value) {
  if (const LocalWrite* write = Find(index); write != nullptr) {
    const_cast<LocalWrite*>(write)->new_value = value;
    return;
  }
  if (used_ == kMaxWrites || index >= control_.layout().word_count) {
    // No consistent state needs so many, or one that does not exist.
    inconsistent_ = true;
    return;
  }
  writes_[used_++] = {index, WordValue(control_.word(index).load(std::memory_order_acquire)),
                      value};
  filter_ |= FilterBit(index);
}

bool Transaction::Validate() const {
  std::atomic_thread_fence(std::memory_order_acquire);
  return control_.header().head.load(std::memory_order_acquire) == begin_head_;
}

bool Transaction::Commit() {
  OperationRecord& record = control_.operation(operation_);
  uint32_t count = 0;
  for (uint32_t i = 0; i < used_; ++i) {
    // What is written back unchanged need not be written: the publishing below proves that it
    // still is what was read.
    if (writes_[i].old_value == writes_[i].new_value) continue;
    record.writes[count].index.store(writes_[i].index, std::memory_order_release);
    record.writes[count].value.store(writes_[i].new_value, std::memory_order_release);
    ++count;
  }
  record.writes_used.store(count, std::memory_order_release);
  const uint64_t number = Number(begin_head_) + 1;
  const uint64_t published = number << kNumberShift | kPending | operation_;
  uint64_t expected = begin_head_;
  UARENA_FAILPOINT("transaction.publish");
  if (!control_.header().head.compare_exchange_strong(expected, published,
                                                      std::memory_order_acq_rel)) {
    return false;
  }
  UARENA_FAILPOINT("transaction.published");
  Apply(control_, published);
  return true;
}

}  // namespace uarena
