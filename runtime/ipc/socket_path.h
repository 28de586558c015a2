// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_IPC_SOCKET_PATH_H_
#define UARENA_IPC_SOCKET_PATH_H_

#include <string>
#include <vector>

namespace uarena {

// Where the daemon's socket may be, in the order in which the daemon tries to make it and clients
// look for it: `option` alone if given, else $UARENA_SOCKET alone if set, else under
// $XDG_RUNTIME_DIR, /run/uarena/, /tmp/uarena-$UID/.
std::vector<std::string> SocketCandidates(const std::string& option);

}  // namespace uarena

#endif  // UARENA_IPC_SOCKET_PATH_H_
