// SPDX-License-Identifier: Apache-2.0
//
// uarenad: names arenas, hands out their memory, serves faults, and outlives its clients.
#include <signal.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "daemon/server.h"

ABSL_FLAG(std::string, socket, "",
          "Where to listen. Default: $UARENA_SOCKET, else under $XDG_RUNTIME_DIR, /run/uarena/ or "
          "/tmp/uarena-$UID/");
ABSL_FLAG(size_t, max_arenas_per_user, uarena::Limits().arenas,
          "How many arenas a user other than root may have");
ABSL_FLAG(uint64_t, max_bytes_per_user, uarena::Limits().bytes,
          "How large the arenas of a user other than root may be, all together");
ABSL_FLAG(size_t, max_connections_per_user, uarena::Limits().connections,
          "How many connections a user other than root may have; each opened arena is one in each "
          "process");

namespace {

// Each arena takes four descriptors, each client up to four.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Fail(const absl::Status& status) {
  fprintf(stderr, "uarenad: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "owns named arenas, hands out their memory and serves faults until SIGTERM");
  absl::FlagsUsageConfig config;
  config.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "daemon/");
  };
  config.version_string = [] { return std::string("uarenad " UARENA_VERSION "\n"); };
  absl::SetFlagsUsageConfig(config);
  if (const auto arguments = absl::ParseCommandLine(argc, argv); arguments.size() > 1) {
    fprintf(stderr, "uarenad: takes no arguments, but got \"%s\"; see --help\n", arguments[1]);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  uarena::Server server({absl::GetFlag(FLAGS_max_arenas_per_user),
                         absl::GetFlag(FLAGS_max_connections_per_user),
                         absl::GetFlag(FLAGS_max_bytes_per_user)});
  if (absl::Status status = server.Listen(absl::GetFlag(FLAGS_socket)); !status.ok()) {
    return Fail(status);
  }
  fprintf(stderr, "uarenad: listening at %s\n", server.path().c_str());
  if (absl::Status status = server.Run(); !status.ok()) return Fail(status);
  return 0;
}
