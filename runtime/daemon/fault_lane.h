// SPDX-License-Identifier: Apache-2.0
//
// Serves the faults of one client, on a thread of its own: a client can keep whoever resolves its
// faults busy or waiting, by what it does to its address space, its userfaultfd or the arena's
// control memory. Then it waits for nobody but itself.
#ifndef UARENA_DAEMON_FAULT_LANE_H_
#define UARENA_DAEMON_FAULT_LANE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "daemon/named_arena.h"
#include "os/fd.h"

namespace uarena {

class FaultLane {
 public:
  // Makes the thread, which does nothing yet. Faults count for the process slot; refusals go over
  // `socket`. Errors: ResourceExhausted (threads, descriptors).
  static absl::StatusOr<std::unique_ptr<FaultLane>> Start(std::shared_ptr<NamedArena> arena,
                                                          UniqueFd uffd, uint32_t process_slot,
                                                          int socket);
  // Stops, without waiting.
  ~FaultLane() { Stop(); }
  FaultLane(const FaultLane&) = delete;
  FaultLane& operator=(const FaultLane&) = delete;

  void Go();
  // Asks the thread to end, again and again until `ended`: a read that blocks is interrupted.
  void Stop();
  bool ended() const;

 private:
  struct State;
  explicit FaultLane(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static void* Run(void* state);

  std::shared_ptr<State> state_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_FAULT_LANE_H_
