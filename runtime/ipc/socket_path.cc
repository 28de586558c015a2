// SPDX-License-Identifier: Apache-2.0
#include "ipc/socket_path.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace uarena {

std::vector<std::string> SocketCandidates(const std::string& option) {
  if (!option.empty()) return {option};
  if (const char* path = getenv("UARENA_SOCKET"); path != nullptr && *path != '\0') return {path};
  std::vector<std::string> candidates;
  if (const char* runtime = getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime == '/') {
    candidates.push_back(absl::StrCat(runtime, "/uarena/uarenad.sock"));
  }
  candidates.push_back("/run/uarena/uarenad.sock");
  candidates.push_back(absl::StrCat("/tmp/uarena-", getuid(), "/uarenad.sock"));
  return candidates;
}

}  // namespace uarena
