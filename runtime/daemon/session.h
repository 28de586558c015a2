// SPDX-License-Identifier: Apache-2.0
//
// One connected client: its socket, one request after another, and its faults if it wants them
// served.
#ifndef UARENA_DAEMON_SESSION_H_
#define UARENA_DAEMON_SESSION_H_

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/event_loop.h"
#include "daemon/fault_lane.h"
#include "daemon/registry.h"
#include "daemon/requests.h"
#include "ipc/channel.h"
#include "ipc/protocol.h"
#include "os/fd.h"

namespace uarena {

class Session;

// What a session wants of the server around it.
class SessionHost {
 public:
  // A request has arrived: call TakeTurn when it is this session's turn.
  virtual void WantTurn(Session* session) = 0;
  // Its client is gone.
  virtual void OnClosed(Session* session) = 0;
  // Closes a descriptor that a client sent and nobody wants. That may take for ever, if the client
  // controls the file system that it is of.
  virtual void Discard(uid_t user, UniqueFd fd) = 0;
  // Whether this user may send more descriptors.
  virtual bool MaySendFds(uid_t user) const = 0;

 protected:
  ~SessionHost() = default;
};

// A client has one request under way: the next one is read when the answer to the last has been
// taken. So what a client can make us keep is one frame in and one out, and one that does not read
// its answers keeps only itself waiting, and not for long.
class Session {
 public:
  Session(EventLoop& loop, Registry& registry, SessionHost& host, UniqueFd socket, Peer peer);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Starts listening to the client.
  void Start();
  // Ends the session; `finished` becomes true when nothing is in flight any more.
  void Close();
  bool finished() const;
  bool closed() const { return closed_; }

  // Handles the request that has arrived.
  void TakeTurn();
  // Something may have come up that a request was waiting for.
  void Retry();
  // Once a second: hangs up on a client that does not read.
  void Tick();

  uid_t user() const { return requests_.peer().uid; }
  const std::shared_ptr<NamedArena>& arena() const { return requests_.arena(); }

 private:
  void Listen();
  void OnMessage(int result);
  void OnWritable(int result);
  void Respond(std::optional<Answer> answer);
  // Sends it or keeps it; nothing else may be kept.
  void Send(Answer answer);

  EventLoop& loop_;
  SessionHost& host_;
  UniqueFd socket_;
  Requests requests_;
  bool closed_ = false;

  Frame incoming_{};
  size_t incoming_bytes_ = 0;
  std::vector<UniqueFd> incoming_fds_;
  alignas(cmsghdr) char incoming_control_[kFdsControlBytes];
  iovec incoming_part_{};
  msghdr incoming_message_{};
  Request receive_;

  std::optional<Answer> unsent_;
  std::chrono::steady_clock::time_point unsent_since_{};
  Request writable_;

  std::unique_ptr<FaultLane> lane_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_SESSION_H_
