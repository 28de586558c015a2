// SPDX-License-Identifier: Apache-2.0
//
// One connected client: its messages, and its faults if it wants them served.
#ifndef UARENA_DAEMON_SESSION_H_
#define UARENA_DAEMON_SESSION_H_

#include <sys/socket.h>

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/event_loop.h"
#include "daemon/registry.h"
#include "fault/resolver.h"
#include "fault/spin.h"
#include "ipc/channel.h"
#include "ipc/protocol.h"
#include "os/fd.h"

namespace uarena {

class Session {
 public:
  Session(EventLoop& loop, Registry& registry, UniqueFd socket, const Peer& peer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Starts listening to the client.
  void Start();
  // Ends the session; `finished` becomes true when nothing is in flight any more.
  void Close();
  bool finished() const;

 private:
  struct Outgoing {
    std::vector<uint8_t> bytes;
    std::vector<int> fds;  // the arena's, which outlives the sending
    std::shared_ptr<NamedArena> keep;
  };

  void Listen();
  void OnMessage(int result);
  absl::Status Handle(const Frame& frame, std::vector<UniqueFd> fds);
  absl::Status HandleOpen(const Frame& frame);
  absl::Status HandleServe(const Frame& frame, std::vector<UniqueFd> fds);
  absl::Status HandleList(const Frame& frame);
  absl::Status HandleRemove(const Frame& frame);

  template <typename T>
  void Answer(FrameType type, const T& payload);
  void Queue(FrameType type, const void* payload, size_t bytes, bool with_arena);
  void SendNext();
  void OnSent(int result);

  void WatchFaults();
  void OnFaults(int result);

  EventLoop& loop_;
  Registry& registry_;
  UniqueFd socket_;
  const Peer peer_;
  bool closed_ = false;

  Frame incoming_{};
  alignas(cmsghdr) char incoming_control_[256];
  iovec incoming_part_{};
  msghdr incoming_message_{};
  Request receive_;

  std::deque<Outgoing> outgoing_;
  alignas(cmsghdr) char outgoing_control_[kFdsControlBytes];
  iovec outgoing_part_{};
  msghdr outgoing_message_{};
  Request send_;

  std::shared_ptr<NamedArena> arena_;
  UniqueFd uffd_;
  std::unique_ptr<Resolver> resolver_;
  SpinPolicy spin_;
  Request faults_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_SESSION_H_
