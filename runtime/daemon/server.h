// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_SERVER_H_
#define UARENA_DAEMON_SERVER_H_

#include <sys/signalfd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/event_loop.h"
#include "daemon/registry.h"
#include "daemon/session.h"
#include "os/fd.h"

namespace uarena {

// The daemon: listens, keeps sessions, stops on SIGTERM and SIGINT.
class Server {
 public:
  Server();
  ~Server();

  // Takes the socket path, or the first usable default place. Errors: AlreadyExists (a daemon runs
  // there already), io_uring is not to be had, and what stands in the way of listening.
  absl::Status Listen(const std::string& option_path);
  const std::string& path() const { return path_; }

  // Until a signal stops it.
  absl::Status Run();

 private:
  absl::Status ListenAt(const std::string& path);
  void OnAccept(int result);
  void OnSignal(int result);
  void OnTick(int result);
  void Reap();

  std::string path_;
  UniqueFd lock_;
  UniqueFd listener_;
  UniqueFd signals_;
  signalfd_siginfo signal_{};
  __kernel_timespec tick_{1, 0};

  Registry registry_;
  EventLoop loop_;
  std::vector<std::unique_ptr<Session>> sessions_;
  Request accept_;
  Request signal_request_;
  Request tick_request_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_SERVER_H_
