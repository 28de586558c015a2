// SPDX-License-Identifier: Apache-2.0
//
// Operations and processes: whose half-done work is whose.
#ifndef UARENA_PAGES_OPERATION_H_
#define UARENA_PAGES_OPERATION_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "os/fd.h"
#include "pages/control.h"

namespace uarena {

// Raises a mark below which scans of records look; before a record above it is taken, so that
// recovery looks at it if the taker is killed right after.
void RaiseTo(std::atomic<uint32_t>& mark, uint32_t value);

// This process's slot in an arena, held by an OFD lock that ends with the process.
class Membership {
 public:
  // Takes a free slot, recovering dead ones if there is none. Errors: ResourceExhausted (1,024
  // processes), Internal (/proc not mounted).
  static absl::StatusOr<Membership> Join(const Control& control);

  Membership() = default;
  Membership(Membership&&) = default;
  Membership& operator=(Membership&&) = default;

  // Gives the slot back. Without it the slot is recovered later, as after a kill.
  void Leave(const Control& control);
  // In a forked child: forgets the parent's slot without giving it back.
  void Abandon() { lock_fd_.reset(); }

  uint32_t slot() const { return slot_; }

 private:
  UniqueFd lock_fd_;  // an open file description of its own; closing it ends the lock
  uint32_t slot_ = 0;
};

// Names a process among all that ever attach, slots being reused: what has it as its owner belongs
// to nobody else later. The low kOwnerSlotBits are the slot plus 1, then the slot's generation, of
// which after 2^19 attachments, and recoveries, of one slot comes the same again. 0 is nobody; the
// slot bits of all ones are free for other meanings.
inline constexpr uint32_t kOwnerSlotBits = 11;
inline constexpr uint32_t kOwnerGenerationBits = 19;
inline constexpr uint32_t kOwnerBits = kOwnerSlotBits + kOwnerGenerationBits;
static_assert(kMaxProcesses + 1 < 1u << kOwnerSlotBits);

// The process that has the slot now.
uint32_t OwnerId(const Control& control, uint32_t slot);
// Whether that process is still attached, be it stopped. Once false, it is false for ever. True for
// a moment too long is possible, for good if the kernel cannot be asked. Async-signal-safe.
bool OwnerAlive(const Control& control, uint32_t owner_id);

// An operation record for the time of one call. Async-signal-safe.
class Operation {
 public:
  Operation(const Control& control, uint32_t process_slot);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // 0: all records are taken.
  uint32_t index() const { return index_; }

 private:
  const Control& control_;
  uint32_t index_ = 0;
};

// An operation's intent, as its holder reads and changes it outside transactions.
struct Intent {
  IntentKind kind = IntentKind::kNone;
  uint32_t phase = 0;
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t cursor = 0;
  uint64_t wanted = 0;
};
Intent LoadIntent(const Control& control, uint32_t operation);
// Stores all of it; the kind last, so that a kill in between leaves the old kind or none.
void StoreIntent(const Control& control, uint32_t operation, const Intent& intent);
void StoreIntentKind(const Control& control, uint32_t operation, IntentKind kind, uint32_t phase);

}  // namespace uarena

#endif  // UARENA_PAGES_OPERATION_H_
