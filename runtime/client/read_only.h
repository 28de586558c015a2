// SPDX-License-Identifier: Apache-2.0
//
// An arena attached for reading: its data memfd, open for reading only, mapped; and a connection to
// the daemon, which is asked what is written in the control memory. This process has neither a slot
// nor anything else there that others could see.
#ifndef UARENA_CLIENT_READ_ONLY_H_
#define UARENA_CLIENT_READ_ONLY_H_

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/daemon_client.h"
#include "ipc/channel.h"
#include "ipc/protocol.h"
#include "memory/geometry.h"
#include "memory/region.h"
#include "os/background_thread.h"
#include "os/fd.h"
#include "uarena/options.h"
#include "uarena/stats.h"

namespace uarena {

// Thread-safe.
class ReadOnlyArena {
 public:
  // Reserves its address. Errors: InvalidArgument (what came is no such arena), AlreadyExists (the
  // address is taken).
  static absl::StatusOr<std::unique_ptr<ReadOnlyArena>> Reserve(std::string name,
                                                                OpenedArena opened,
                                                                const ArenaOptions& options);
  ~ReadOnlyArena();

  // Maps it. Under AttachMutex. Errors: FailedPrecondition (`segv_on_fault` without userfaultfd).
  absl::Status Start();

  const Geometry& geometry() const { return geometry_; }
  const std::string& name() const { return name_; }

  // Each asks the daemon. Errors: Unavailable (no daemon), NotFound, FailedPrecondition (the name
  // means another arena now), Aborted (the roots change too fast).
  absl::StatusOr<uint64_t> Root(std::string_view name);
  absl::StatusOr<std::vector<std::string>> RootNames();
  absl::StatusOr<StatsPayload> Stats();

  void BeforeFork() { mutex_.lock(); }
  void AfterForkInParent() { mutex_.unlock(); }
  void AfterForkInChild();

 private:
  ReadOnlyArena(std::string name, OpenedArena opened, const ArenaOptions& options, Region region);
  // `segv_on_fault`: watches for touches of pages that are not there.
  absl::Status Watch();
  template <typename T>
  absl::StatusOr<ReceivedFrame> Ask(FrameType type, const T& request, FrameType expected);

  const std::string name_;
  const ArenaOptions options_;
  const Geometry geometry_;
  OpenedArena opened_;
  Region region_;
  std::mutex mutex_;  // one question at a time
  UniqueFd uffd_;
  std::unique_ptr<BackgroundThread> watcher_;
};

}  // namespace uarena

#endif  // UARENA_CLIENT_READ_ONLY_H_
