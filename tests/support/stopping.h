// SPDX-License-Identifier: Apache-2.0
//
// Stopping a forked child at a named point (os/failpoint.h), and seeing how children end.
#ifndef UARENA_TESTS_SUPPORT_STOPPING_H_
#define UARENA_TESTS_SUPPORT_STOPPING_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "os/failpoint.h"
#include "uarena/arena.h"

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

// Watches a child that may stop at its point; one that has is added to `stopped`. It must not wait
// for anybody, nor die. `story` is what a failure shows.
inline void WatchUntilStopped(pid_t child, const std::string& story, std::vector<pid_t>* stopped) {
  const End end = Watch(child, true);
  ASSERT_NE(end, End::kHung) << story << " waits for somebody";
  ASSERT_NE(end, End::kDied) << story;
  if (end == End::kStopped) stopped->push_back(child);
}

// In any order kills one in `kills` of the stopped children, recovering at once or later, and lets
// the others go on, which must end.
inline void EndInAnyOrder(std::vector<pid_t> stopped, uint32_t kills, Arena& arena,
                          std::mt19937& random, std::string* story) {
  std::shuffle(stopped.begin(), stopped.end(), random);
  for (const pid_t child : stopped) {
    if (random() % kills == 0) {
      *story += "; killed";
      kill(child, SIGKILL);
      Watch(child, false);
      if (random() % 2 == 0) {
        ASSERT_TRUE(arena.Recover().ok()) << *story;
      }
    } else {
      *story += "; goes on";
      kill(child, SIGCONT);
      ASSERT_EQ(Watch(child, false), End::kExited) << *story;
    }
  }
}

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_STOPPING_H_
