// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_NAMED_ARENA_H_
#define UARENA_DAEMON_NAMED_ARENA_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/deed.h"
#include "daemon/peer.h"
#include "heap/heap_recovery.h"
#include "ipc/protocol.h"
#include "os/fd.h"
#include "pages/control.h"
#include "pages/operation.h"
#include "pages/steps.h"

namespace uarena {

// One arena that the daemon knows. Lives as long as the registry names it or a session uses it.
//
// Its control memory can be written by every client that has it: nothing here waits for what it
// says, and every walk over it is bounded. What is not bounded, recovery and faults, runs in
// processes and threads of its own.
class NamedArena {
 public:
  // Makes a new arena as described, which has a base, and writes its deed. Errors:
  // ResourceExhausted.
  static absl::StatusOr<std::shared_ptr<NamedArena>> Make(const ArenaDescription& description,
                                                          const Ownership& ownership);
  // Takes one back that an earlier daemon made. Errors: InvalidArgument (descriptors and deed do
  // not belong together, or the control memory is damaged), FailedPrecondition (its name has been
  // removed), ResourceExhausted.
  static absl::StatusOr<std::shared_ptr<NamedArena>> TakeBack(const Deed& deed, int data,
                                                              int control, UniqueFd deed_fd);
  ~NamedArena();

  const ArenaId& id() const { return deed_.id; }
  const std::string& name() const { return deed_.description.name; }
  const Geometry& geometry() const { return deed_.description.geometry; }
  const Ownership& ownership() const { return deed_.ownership; }
  const Control& control() const { return control_; }
  int data_fd() const { return data_.get(); }
  int deed_fd() const { return deed_fd_.get(); }
  // The daemon is a process of the arena like any other.
  uint32_t daemon_slot() const { return membership_.slot(); }
  PageContext ContextFor(int uffd) const {
    return {&control_, Mapper(geometry(), data_.get(), uffd), data_.get(), /*attached=*/false,
            RecoverHeap};
  }

  // Its name has been removed: whoever has it keeps it, and does not hand it back.
  void Forget() const { control_.header().nameless.store(1); }

  // The data memfd open for reading only. Whoever maps that makes zero pages exist by reading, so
  // the other processes are told to expect such pages. Errors: ResourceExhausted.
  absl::StatusOr<int> ReadOnlyData();

  OpenedPayload Opened() const;
  ArenaEntry Describe() const;
  StatsPayload Stats() const;
  // One frame of roots. Errors: Aborted (they change too fast, or the memory is damaged).
  absl::StatusOr<RootsPayload> Roots(std::string_view name, uint32_t from) const;

  // Whether a process of it has died and not been recovered.
  bool NeedsRecovery() const;

 private:
  NamedArena(Deed deed, Control control, UniqueFd data, UniqueFd deed_fd, Membership membership);
  static absl::StatusOr<std::shared_ptr<NamedArena>> Join(const Deed& deed, Control control,
                                                          UniqueFd data, UniqueFd deed_fd);
  // Not counting the daemon. Asked of the kernel at most every so often, since it costs up to a
  // millisecond where somebody has filled the table.
  uint32_t CountClients() const;

  const Deed deed_;
  Control control_;
  UniqueFd data_;
  UniqueFd deed_fd_;
  UniqueFd read_only_data_;
  Membership membership_;
  mutable uint32_t clients_ = 0;
  mutable std::chrono::steady_clock::time_point clients_counted_{};
};

}  // namespace uarena

#endif  // UARENA_DAEMON_NAMED_ARENA_H_
