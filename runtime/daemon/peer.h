// SPDX-License-Identifier: Apache-2.0
//
// Who is at the other end of a connection, as the kernel says, and what that user may do.
#ifndef UARENA_DAEMON_PEER_H_
#define UARENA_DAEMON_PEER_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace uarena {

struct Peer {
  uid_t uid = 0;
  std::vector<gid_t> groups;  // the primary one first

  bool InGroup(gid_t group) const;
};

// As it was when the peer connected. Errors: Internal.
absl::StatusOr<Peer> ReadPeer(int socket);

// An arena's owner and mode, with the meaning they have for a file: the first of owner, group and
// others that fits the peer decides. Root may everything.
struct Ownership {
  uid_t uid = 0;
  gid_t gid = 0;
  uint32_t mode = 0600;

  bool MayRead(const Peer& peer) const { return Grants(peer, 4); }
  bool MayWrite(const Peer& peer) const { return Grants(peer, 2); }
  bool MayRemove(const Peer& peer) const { return peer.uid == 0 || peer.uid == uid; }

 private:
  bool Grants(const Peer& peer, uint32_t permission) const;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_PEER_H_
