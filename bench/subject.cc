// SPDX-License-Identifier: Apache-2.0
#include "bench/subject.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "bench/touch.h"

namespace uarena::bench {

absl::Status Memory::TouchExisting(uint64_t pages, size_t page_size, const Toucher& touch) {
  for (uint64_t page = 0; page < pages; ++page) WritePrior(base(), page, page_size);
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) {
    touch(base(), true);
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waitpid");
  }
  if (WIFSIGNALED(status)) {
    return absl::InternalError(
        absl::StrCat("the second process was killed by signal ", WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::InternalError(
        absl::StrCat("the second process ended with status ", WEXITSTATUS(status)));
  }
  return absl::OkStatus();
}

}  // namespace uarena::bench
