// SPDX-License-Identifier: Apache-2.0
//
// The arenas the daemon owns, by name.
#ifndef UARENA_DAEMON_REGISTRY_H_
#define UARENA_DAEMON_REGISTRY_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ipc/protocol.h"
#include "os/fd.h"
#include "pages/control.h"
#include "pages/operation.h"
#include "uarena/options.h"

namespace uarena {

struct Peer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
};

// One named arena. Lives as long as the registry names it or a session uses it.
class NamedArena {
 public:
  NamedArena(std::string name, uid_t owner, Control control, UniqueFd data, Membership membership);
  ~NamedArena();

  const std::string& name() const { return name_; }
  const Control& control() const { return control_; }
  int data_fd() const { return data_.get(); }
  // The daemon is a process of the arena like any other.
  uint32_t daemon_slot() const { return membership_.slot(); }
  bool MayOpen(const Peer& peer) const { return peer.uid == 0 || peer.uid == owner_; }
  ArenaEntry Describe() const;
  // Completes what dead clients have left.
  void Recover() const;

 private:
  const std::string name_;
  const uid_t owner_;
  Control control_;
  UniqueFd data_;
  Membership membership_;
};

class Registry {
 public:
  // Finds or creates. Errors: NotFound, PermissionDenied, FailedPrecondition (another geometry),
  // and those of the options.
  absl::StatusOr<std::shared_ptr<NamedArena>> Open(std::string_view name,
                                                   const ArenaOptions& options, const Peer& peer);
  // Forgets the name; whoever is attached keeps the arena. Errors: NotFound, PermissionDenied.
  absl::Status Remove(std::string_view name, const Peer& peer);
  // One page of the arenas that the peer may open, from the name after `after` on.
  ListedPayload List(const std::string& after, const Peer& peer) const;
  void RecoverAll() const;

 private:
  absl::StatusOr<uint64_t> ChooseBase(const ArenaOptions& options, uint64_t bytes) const;
  absl::StatusOr<std::shared_ptr<NamedArena>> Create(const std::string& name,
                                                     const ArenaOptions& options, const Peer& peer);

  std::map<std::string, std::shared_ptr<NamedArena>> arenas_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_REGISTRY_H_
