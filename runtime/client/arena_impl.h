// SPDX-License-Identifier: Apache-2.0
//
// One arena attached in this process: the parts, put together in order and taken apart in reverse.
#ifndef UARENA_CLIENT_ARENA_IMPL_H_
#define UARENA_CLIENT_ARENA_IMPL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/daemon_client.h"
#include "client/keeper.h"
#include "client/mode.h"
#include "client/read_only.h"
#include "fault/handler_thread.h"
#include "fault/resolver.h"
#include "heap/arena_heap.h"
#include "memory/existing_pages.h"
#include "memory/region.h"
#include "os/assistant.h"
#include "os/fd.h"
#include "os/memory_budget.h"
#include "pages/allocator.h"
#include "pages/control.h"
#include "pages/kept_pages.h"
#include "pages/operation.h"
#include "uarena/options.h"

namespace uarena {

// What the creator of an arena decides, from its options, with every check on them; `base` 0 is
// left to be chosen. Errors: InvalidArgument, OutOfRange, ResourceExhausted.
absl::StatusOr<ArenaDescription> DescribeArena(const ArenaOptions& options);

// The memfds of a new arena whose description has a base. Errors: ResourceExhausted.
struct NewArena {
  Control control;
  UniqueFd data;
};
absl::StatusOr<NewArena> MakeArena(const ArenaDescription& description);

// What ties an attached arena to the daemon that it came from; nothing, if it came from elsewhere.
struct DaemonLink {
  UniqueFd socket;  // the keeper's, if there is one
  std::string socket_path;
  UniqueFd deed;
};

class ArenaImpl {
 public:
  static absl::StatusOr<std::shared_ptr<ArenaImpl>> Create(const ArenaOptions& options);
  // Attaches an arena that came from elsewhere.
  static absl::StatusOr<std::shared_ptr<ArenaImpl>> Attach(UniqueFd control, UniqueFd data,
                                                           DaemonLink daemon,
                                                           const ArenaOptions& options);
  static absl::StatusOr<std::shared_ptr<ArenaImpl>> AttachReadOnly(std::string_view name,
                                                                   OpenedArena opened,
                                                                   const ArenaOptions& options);
  ~ArenaImpl();
  ArenaImpl(const ArenaImpl&) = delete;
  ArenaImpl& operator=(const ArenaImpl&) = delete;

  // Before a fork, and after it; in the child before anything else runs there, where it makes the
  // copy work.
  void BeforeFork();
  void AfterForkInParent();
  void AfterForkInChild();

  // Null unless it is attached for reading only; then there is neither control memory nor
  // allocator.
  ReadOnlyArena* read_only() const { return read_only_.get(); }

  const Control& control() const { return control_; }
  const Geometry& geometry() const {
    return read_only_ != nullptr ? read_only_->geometry() : control_.description().geometry;
  }
  const std::string& name() const {
    return read_only_ != nullptr ? read_only_->name() : control_.description().name;
  }
  Allocator& allocator() { return allocator_; }
  KeptPages& kept() { return kept_; }
  ArenaHeap& heap() { return heap_; }
  MemoryBudget& memory_budget() { return memory_budget_; }
  int data_fd() const { return data_.get(); }
  uint32_t slot() const { return membership_.slot(); }
  FaultMode mode() const { return opened_.mode; }
  const std::string& reason() const { return opened_.reason; }

 private:
  ArenaImpl(Control control, UniqueFd data, Region region, DaemonLink daemon,
            const ArenaOptions& options);
  ArenaImpl(std::unique_ptr<ReadOnlyArena> read_only, const ArenaOptions& options);
  // The last steps of attaching; on an error what `arena` holds is released.
  static absl::StatusOr<std::shared_ptr<ArenaImpl>> Started(std::shared_ptr<ArenaImpl> arena);
  // Joins, opens the mode and starts its engine. Under AttachMutex.
  absl::Status Start(FaultMode wanted);
  void StartKeeper();
  void StopEngine();

  const ArenaOptions options_;
  Control control_;
  UniqueFd data_;
  Region region_;
  DaemonLink daemon_;
  Membership membership_;
  OpenedMode opened_;
  Allocator allocator_;
  KeptPages kept_;
  MemoryBudget memory_budget_;
  ArenaHeap heap_;
  std::shared_ptr<Assistant> assistant_;
  std::unique_ptr<ExistingPages> existing_pages_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<HandlerThread> handler_;
  std::unique_ptr<Keeper> keeper_;
  std::unique_ptr<ReadOnlyArena> read_only_;
};

}  // namespace uarena

#endif  // UARENA_CLIENT_ARENA_IMPL_H_
