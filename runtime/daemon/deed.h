// SPDX-License-Identifier: Apache-2.0
//
// A deed: a small sealed memfd that says which two memfds an arena is, whose it is and what it is
// called. Clients keep it; after a restart they hand the arena back, and the deed proves to the new
// daemon that an earlier one made all three.
//
// What it rests on: a memfd belongs to the user who made it, for ever; F_SEAL_WRITE stops even that
// user from changing it; and nobody else can make files of the daemon's user. So a memfd of our
// user with this content was written by a daemon, as long as no other program of that user writes
// what others tell it into sealed memfds of this name.
#ifndef UARENA_DAEMON_DEED_H_
#define UARENA_DAEMON_DEED_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/peer.h"
#include "ipc/protocol.h"
#include "os/fd.h"
#include "os/syscall.h"
#include "pages/control.h"

namespace uarena {

struct Deed {
  ArenaId id{};
  Ownership ownership;
  ArenaDescription description;  // its name among it
  sys::FileIdentity data;
  sys::FileIdentity control;
};

// Errors: ResourceExhausted.
absl::StatusOr<UniqueFd> WriteDeed(const Deed& deed);

// Reads one that a client sent, which may be anything and is never waited for. `maker` is the user
// whose deeds count. Errors: InvalidArgument (no deed), PermissionDenied (another user's).
absl::StatusOr<Deed> ReadDeed(int fd, uid_t maker);

// Whether `fd` is the memfd that a deed means by `identity`: made by the same user, sealed against
// resizing, open for reading and writing. `what` names it in messages. Errors: InvalidArgument.
absl::Status CheckDeeded(const char* what, int fd, const sys::FileIdentity& identity);

}  // namespace uarena

#endif  // UARENA_DAEMON_DEED_H_
