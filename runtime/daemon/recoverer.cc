// SPDX-License-Identifier: Apache-2.0
#include "daemon/recoverer.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "pages/recovery.h"

namespace uarena {
namespace {

constexpr size_t kMostChildren = 4;
// Recovering takes microseconds; a process killed while it freed a terabyte leaves seconds of work.
constexpr rlim_t kMostSeconds = 10;
constexpr auto kLookAroundFor = std::chrono::milliseconds(1);

// Only calls that are safe in a child of a process with threads.
[[noreturn]] void RecoverInChild(pid_t parent, const Control& control, const PageContext& context,
                                 const std::vector<int>& to_close) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int fd : to_close) close(fd);
  if (getppid() != parent) _exit(0);
  const rlimit cpu{kMostSeconds, kMostSeconds};
  setrlimit(RLIMIT_CPU, &cpu);
  setpriority(PRIO_PROCESS, 0, 10);
  // Another thread of the parent may have been recovering.
  AbandonRecoveryAfterFork();
  RecoverDeadProcesses(control, context);
  _exit(0);
}

}  // namespace

void Recoverer::Look(const std::shared_ptr<NamedArena>& arena) {
  if (running_.size() >= kMostChildren || given_up_.count(arena->id()) != 0) return;
  const bool running = std::any_of(running_.begin(), running_.end(),
                                   [&](const auto& child) { return child.second == arena; });
  if (running || !arena->NeedsRecovery()) return;
  const PageContext context = arena->ContextFor(-1);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) RecoverInChild(parent, arena->control(), context, close_in_children_);
  if (pid > 0) running_.emplace(pid, arena);  // otherwise the next look tries again
}

void Recoverer::LookAround(const std::vector<std::shared_ptr<NamedArena>>& arenas) {
  const auto end = std::chrono::steady_clock::now() + kLookAroundFor;
  for (size_t looked = 0; looked < arenas.size(); ++looked) {
    Look(arenas[next_++ % arenas.size()]);
    if (std::chrono::steady_clock::now() > end) return;
  }
}

void Recoverer::Reap() {
  for (auto child = running_.begin(); child != running_.end();) {
    int status = 0;
    if (waitpid(child->first, &status, WNOHANG) != child->first) {
      ++child;
      continue;
    }
    if (WIFSIGNALED(status)) {
      fprintf(stderr,
              "uarenad: recovering arena \"%s\" ended with signal %d: its control memory is "
              "damaged; not tried again\n",
              child->second->name().c_str(), WTERMSIG(status));
      given_up_.insert(child->second->id());
    }
    child = running_.erase(child);
  }
}

}  // namespace uarena
