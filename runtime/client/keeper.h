// SPDX-License-Identifier: Apache-2.0
//
// Looks after an arena that came from the daemon, on a thread of its own: delivers the daemon's
// refusals, takes over its faults when the daemon is gone, looks for the next daemon, hands the
// arena back to it, and gives it the faults again.
//
//   connected ── the daemon hangs up ──▶ alone: served faults resolved here, a try now and then
//       ▲                                 │
//       └── the arena was handed back ────┘   (the faults go last; both may resolve some meanwhile)
//
// An arena whose name was removed stays alone when its daemon is gone: it is not to come back.
#ifndef UARENA_CLIENT_KEEPER_H_
#define UARENA_CLIENT_KEEPER_H_

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "fault/handler_thread.h"
#include "fault/resolver.h"
#include "ipc/channel.h"
#include "os/background_thread.h"
#include "os/fd.h"

namespace uarena {

// What a keeper works with; everything that it points to or names must outlive it.
struct KeptArena {
  int data_fd = -1;
  int control_fd = -1;
  int deed_fd = -1;
  int uffd = -1;  // -1: its faults are not served
  uint32_t process_slot = 0;
  Geometry geometry;
  Resolver* resolver = nullptr;
  std::string socket_path;
  bool reconnect = true;
};

class Keeper {
 public:
  // `socket` is the connection on which the arena was opened and, if `uffd` is given, the daemon
  // agreed to serve it; or none: then the keeper starts alone.
  Keeper(KeptArena arena, UniqueFd socket);

  // Between the two nothing changes that a forked child would find half done.
  void BeforeFork() { mutex_.lock(); }
  void AfterForkInParent() { mutex_.unlock(); }
  // In a forked child, after BeforeFork in the parent: closes what it has. The object must then be
  // left alone, as BackgroundThread::AbandonInChild has it.
  void AbandonInChild();

 private:
  void Run(int stop_fd);
  // Each returns when its state ends; false: stopped.
  bool StayConnected(int stop_fd);
  bool StayAlone(int stop_fd);
  void TakeOver();
  // Hands the arena, and its faults, to whoever listens. False: not this time.
  bool HandBack(int stop_fd);
  absl::StatusOr<ReceivedFrame> Await(int stop_fd, FrameType expected);
  void Deliver(const ReceivedFrame& received);

  const KeptArena arena_;
  std::mutex mutex_;  // held while the two below change
  UniqueFd socket_;
  std::unique_ptr<HandlerThread> handler_;
  BackgroundThread thread_;  // last: it uses the others
};

}  // namespace uarena

#endif  // UARENA_CLIENT_KEEPER_H_
