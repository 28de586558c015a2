// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_SERVER_H_
#define UARENA_DAEMON_SERVER_H_

#include <sys/signalfd.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/event_loop.h"
#include "daemon/limits.h"
#include "daemon/recoverer.h"
#include "daemon/registry.h"
#include "daemon/session.h"
#include "daemon/turns.h"
#include "os/fd.h"

namespace uarena {

// The daemon: listens, keeps sessions, stops on SIGTERM and SIGINT.
class Server final : private SessionHost {
 public:
  explicit Server(const Limits& limits);
  ~Server();

  // Takes the socket path, or the first usable default place. Errors: AlreadyExists (a daemon runs
  // there already), io_uring is not to be had, and what stands in the way of listening.
  absl::Status Listen(const std::string& option_path);
  const std::string& path() const { return path_; }

  // Until a signal stops it.
  absl::Status Run();

 private:
  struct Discarded {
    std::unique_ptr<Request> request;
    uid_t user;
  };

  void WantTurn(Session* session) override;
  void OnClosed(Session* session) override;
  void Discard(uid_t user, UniqueFd fd) override;
  bool MaySendFds(uid_t user) const override;

  absl::Status ListenAt(const std::string& path);
  void OnAccept(int result);
  void AcceptClient(UniqueFd socket);
  void OnSignal(int result);
  void OnTick(int result);
  void OnReturnsOver(int result);
  void RetryAll();
  void Reap();
  // Notes in the lock's file whether clients may have arenas of ours when we are gone.
  void NoteArenasOut(bool out);

  const Limits limits_;
  std::string path_;
  UniqueFd lock_;
  UniqueFd listener_;
  UniqueFd signals_;
  bool arenas_out_ = false;
  bool predecessor_had_arenas_ = false;
  signalfd_siginfo signal_{};
  __kernel_timespec tick_{1, 0};
  __kernel_timespec returns_;

  Registry registry_;
  Recoverer recoverer_;
  EventLoop loop_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::map<uid_t, size_t> connections_;
  Turns<Session> turns_;
  bool reaping_ = false;  // there are closed sessions or discarded descriptors
  std::list<Discarded> discarded_;
  std::map<uid_t, size_t> discarding_;
  Request accept_;
  Request signal_request_;
  Request tick_request_;
  Request returns_request_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_SERVER_H_
