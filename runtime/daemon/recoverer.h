// SPDX-License-Identifier: Apache-2.0
//
// Recovers arenas of which a client has died, each in a child process: how long that takes, and
// whether it ends at all, depends on control memory that clients can write. A child that takes too
// long or crashes ends alone.
#ifndef UARENA_DAEMON_RECOVERER_H_
#define UARENA_DAEMON_RECOVERER_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "daemon/named_arena.h"

namespace uarena {

class Recoverer {
 public:
  // Descriptors that no child is to keep.
  void CloseInChildren(std::vector<int> fds) { close_in_children_ = std::move(fds); }

  // Starts a recovery if one is needed, and none of this arena is running.
  void Look(const std::shared_ptr<NamedArena>& arena);
  // Looks at some of them, others the next time, for about a millisecond.
  void LookAround(const std::vector<std::shared_ptr<NamedArena>>& arenas);
  // Takes note of children that have ended; after SIGCHLD.
  void Reap();

 private:
  std::map<pid_t, std::shared_ptr<NamedArena>> running_;
  std::set<ArenaId> given_up_;
  std::vector<int> close_in_children_;
  size_t next_ = 0;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_RECOVERER_H_
