// SPDX-License-Identifier: Apache-2.0
//
// What a client asks of the daemon.
#ifndef UARENA_CLIENT_DAEMON_CLIENT_H_
#define UARENA_CLIENT_DAEMON_CLIENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ipc/protocol.h"
#include "os/fd.h"
#include "uarena/options.h"

namespace uarena {

struct OpenedArena {
  UniqueFd socket;          // stays open as long as the arena is attached: its end tells the daemon
  std::string socket_path;  // where the daemon was found, and where its successor will be
  OpenedPayload says{};
  UniqueFd data;
  UniqueFd control;  // not of a read-only attach
  UniqueFd deed;     // what a later daemon knows the arena by; not of a read-only attach
};
absl::StatusOr<OpenedArena> OpenFromDaemon(std::string_view name, const ArenaOptions& options);

// Gives the daemon a duplicate of `uffd`, which covers the arena of this connection.
absl::Status AskToServe(int socket, int uffd, uint32_t process_slot);

absl::StatusOr<std::vector<ArenaEntry>> ListArenas(const std::string& socket_path);
absl::Status RemoveArena(const std::string& socket_path, std::string_view name);

}  // namespace uarena

#endif  // UARENA_CLIENT_DAEMON_CLIENT_H_
