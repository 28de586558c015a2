// SPDX-License-Identifier: Apache-2.0
#include "bench/support/child_processes.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"

namespace uarena::bench {
namespace {

absl::Status Wait(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waitpid");
  }
  if (WIFSIGNALED(status)) {
    return absl::InternalError(absl::StrCat("a child was killed by signal ", WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::InternalError(absl::StrCat("a child ended with status ", WEXITSTATUS(status)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunInChildren(int count, const std::function<absl::Status(int)>& work) {
  absl::Status result;
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const absl::Status status = work(i);
      if (!status.ok()) fprintf(stderr, "\n%s\n", status.ToString().c_str());
      _exit(status.ok() ? 0 : 1);
    }
    if (child < 0) {
      result = absl::ErrnoToStatus(errno, "fork");
      break;
    }
    children.push_back(child);
  }
  for (const pid_t child : children) result.Update(Wait(child));
  return result;
}

}  // namespace uarena::bench
