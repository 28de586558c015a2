// SPDX-License-Identifier: Apache-2.0
//
// The arenas the daemon knows, by name.
#ifndef UARENA_DAEMON_REGISTRY_H_
#define UARENA_DAEMON_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/limits.h"
#include "daemon/named_arena.h"
#include "daemon/peer.h"
#include "ipc/protocol.h"
#include "os/fd.h"
#include "uarena/options.h"

namespace uarena {

class Registry {
 public:
  explicit Registry(const Limits& limits = {}) : limits_(limits) {}

  // Finds or creates. Errors: NotFound, PermissionDenied, FailedPrecondition (another geometry),
  // ResourceExhausted (too many of this user), and those of the options.
  absl::StatusOr<std::shared_ptr<NamedArena>> Open(std::string_view name,
                                                   const ArenaOptions& options, const Peer& peer);
  // Takes back an arena that an earlier daemon made, or finds it if somebody else has handed it
  // back before. Errors: AlreadyExists (its name means another arena now), PermissionDenied,
  // InvalidArgument, ResourceExhausted.
  absl::StatusOr<std::shared_ptr<NamedArena>> HandBack(const std::vector<UniqueFd>& fds,
                                                       const Peer& peer);
  // Forgets the name; whoever is attached keeps the arena. Errors: NotFound, PermissionDenied.
  absl::Status Remove(std::string_view name, const Peer& peer);
  // One page of the arenas that the peer may open, from the name after `after` on.
  ListedPayload List(const std::string& after, const Peer& peer) const;

  // Between a start and the moment when every client must have noticed it, an unknown name may be
  // about to be handed back: opening it has to wait.
  void ExpectReturns(bool expected) { returns_expected_ = expected; }
  bool MayReturn(const std::string& name) const {
    return returns_expected_ && arenas_.count(name) == 0;
  }

  // All that are alive, named or not.
  std::vector<std::shared_ptr<NamedArena>> Alive() const;

  // Called after an arena has been made or handed back.
  std::function<void()> on_add;

 private:
  absl::StatusOr<uint64_t> ChooseBase(const ArenaOptions& options, uint64_t bytes) const;
  absl::StatusOr<std::shared_ptr<NamedArena>> Create(const std::string& name,
                                                     const ArenaOptions& options, const Peer& peer);
  // Whether a user may have one more arena, of so many bytes.
  absl::Status CheckLimit(uid_t owner, uint64_t bytes) const;
  void Add(const std::shared_ptr<NamedArena>& arena);

  const Limits limits_;
  bool returns_expected_ = false;
  std::map<std::string, std::shared_ptr<NamedArena>> arenas_;
  // Those whose name was removed stay here as long as a session uses them.
  std::map<ArenaId, std::weak_ptr<NamedArena>> by_id_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_REGISTRY_H_
