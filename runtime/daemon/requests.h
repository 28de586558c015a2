// SPDX-License-Identifier: Apache-2.0
//
// What one client asks and what it is answered, without the socket in between: a function from
// frames to frames, over the registry.
#ifndef UARENA_DAEMON_REQUESTS_H_
#define UARENA_DAEMON_REQUESTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "daemon/named_arena.h"
#include "daemon/peer.h"
#include "daemon/registry.h"
#include "ipc/protocol.h"
#include "os/fd.h"

namespace uarena {

struct Answer {
  FrameType type{};
  std::vector<uint8_t> payload;
  std::vector<int> fds;              // of `keep`
  std::shared_ptr<NamedArena> keep;  // until it has been sent
};

class Requests {
 public:
  Requests(Registry& registry, Peer peer) : registry_(registry), peer_(std::move(peer)) {}

  // The answer to a frame of which `bytes` arrived. Descriptors that it takes are moved out of
  // `fds`. Nothing: the answer is not known yet; ask Retry, and give no other frame before.
  std::optional<Answer> Handle(const Frame& frame, size_t bytes, std::vector<UniqueFd>* fds);
  // Tries again what could not be answered, if anything.
  std::optional<Answer> Retry();

  const std::shared_ptr<NamedArena>& arena() const { return arena_; }
  const Peer& peer() const { return peer_; }

  // A userfaultfd that is to be served before the answer goes out; once.
  struct ToServe {
    UniqueFd uffd;
    uint32_t process_slot = 0;
  };
  std::optional<ToServe> TakeToServe() { return std::exchange(to_serve_, std::nullopt); }

  static Answer ErrorAnswer(const absl::Status& status);

 private:
  absl::StatusOr<Answer> Dispatch(const Frame& frame, std::vector<UniqueFd>* fds);
  absl::StatusOr<Answer> Open(const OpenPayload& request);
  absl::StatusOr<Answer> HandBack(const std::vector<UniqueFd>& fds);
  absl::StatusOr<Answer> Serve(const Frame& frame, std::vector<UniqueFd>* fds);
  absl::StatusOr<Answer> List(const Frame& frame) const;
  absl::StatusOr<Answer> Remove(const Frame& frame);
  absl::StatusOr<Answer> GetRoots(const Frame& frame) const;
  absl::StatusOr<Answer> GetStats() const;
  absl::Status CheckOpened(bool opened) const;

  Registry& registry_;
  const Peer peer_;
  std::shared_ptr<NamedArena> arena_;
  bool read_only_ = false;
  bool served_ = false;
  std::optional<ToServe> to_serve_;
  std::optional<OpenPayload> waiting_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_REQUESTS_H_
