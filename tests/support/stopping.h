// SPDX-License-Identifier: Apache-2.0
//
// Stopping a forked child at a named point (os/failpoint.h), and seeing how children end.
#ifndef UARENA_TESTS_SUPPORT_STOPPING_H_
#define UARENA_TESTS_SUPPORT_STOPPING_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "os/failpoint.h"

namespace uarena::testing {

#if defined(UARENA_FAILPOINTS)
inline const char* g_point;
inline std::atomic<int> g_passes_left;

// Stops this process at a point, when it has passed it so many times.
inline void StopAt(const char* point, int passes) {
  g_point = point;
  g_passes_left.store(passes);
  g_failpoint_hook.store([](const char* name) {
    if (strcmp(name, g_point) == 0 && g_passes_left.fetch_sub(1) == 0) kill(getpid(), SIGSTOP);
  });
}

#endif

enum class End { kStopped, kExited, kDied, kHung };

// How a child ends, or stops, within a few seconds.
inline End Watch(pid_t pid, bool stops) {
  for (int i = 0; i < 20'000; ++i) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG | (stops ? WUNTRACED : 0)) == pid) {
      if (WIFSTOPPED(status)) return End::kStopped;
      return WIFEXITED(status) ? End::kExited : End::kDied;
    }
    usleep(300);
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return End::kHung;
}

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_STOPPING_H_
