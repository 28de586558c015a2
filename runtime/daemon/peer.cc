// SPDX-License-Identifier: Apache-2.0
#include "daemon/peer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "os/status.h"

namespace uarena {

bool Peer::InGroup(gid_t group) const {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

bool Ownership::Grants(const Peer& peer, uint32_t permission) const {
  if (peer.uid == 0) return true;
  const uint32_t shift = peer.uid == uid ? 6 : peer.InGroup(gid) ? 3 : 0;
  return (mode >> shift & permission) != 0;
}

absl::StatusOr<Peer> ReadPeer(int socket) {
  ucred credentials{};
  socklen_t bytes = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
    return ErrnoStatus(errno, "SO_PEERCRED");
  }
  Peer peer{credentials.uid, {credentials.gid}};
  // Linux 4.13. A user in more groups than this has the first of them.
  gid_t groups[256];
  bytes = sizeof(groups);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) == 0) {
    peer.groups.insert(peer.groups.end(), groups, groups + bytes / sizeof(gid_t));
  }
  return peer;
}

}  // namespace uarena
