// SPDX-License-Identifier: Apache-2.0
//
// Frames with file descriptors over a Unix socket.
#ifndef UARENA_IPC_CHANNEL_H_
#define UARENA_IPC_CHANNEL_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ipc/protocol.h"
#include "os/fd.h"

namespace uarena {

struct ReceivedFrame {
  Frame frame;
  std::vector<UniqueFd> fds;
};

// Sends one frame as one packet. On a stream socket, which Arena::Send may be given, the header
// says where it ends. Blocks while the socket's buffer is full, unless `wait` is false: then
// it answers what IsFull knows. Unavailable: the peer has hung up.
absl::Status SendFrame(int socket, FrameType type, std::span<const uint8_t> payload,
                       std::span<const int> fds, bool wait = true);

bool IsFull(const absl::Status& status);

template <typename T>
absl::Status SendFrame(int socket, FrameType type, const T& payload, std::span<const int> fds = {},
                       bool wait = true) {
  return SendFrame(socket, type,
                   std::span(reinterpret_cast<const uint8_t*>(&payload), sizeof(payload)), fds,
                   wait);
}

// Receives one frame, checked by CheckFrame. Blocks. Errors: Unavailable (the peer hung up), and
// CheckFrame's.
absl::StatusOr<ReceivedFrame> ReceiveFrame(int socket);

// Makes the message carry the descriptors, at most kMaxFrameFds; `control` must live until it is
// sent.
inline constexpr size_t kFdsControlBytes = CMSG_SPACE(sizeof(int) * kMaxFrameFds);
void PutFds(std::span<const int> fds, char (&control)[kFdsControlBytes], msghdr* message);

// Takes the descriptors out of a received message's control data.
std::vector<UniqueFd> TakeFds(const msghdr& message);

// Sends a request and waits for its answer; an error frame becomes its status, and an answer of
// another type than `expected` Internal.
absl::StatusOr<ReceivedFrame> Call(int socket, FrameType type, std::span<const uint8_t> payload,
                                   std::span<const int> fds, FrameType expected);
// The second half of it: what an answer that has been received means.
absl::StatusOr<ReceivedFrame> ReadAnswer(absl::StatusOr<ReceivedFrame> answer, FrameType expected);
template <typename T>
absl::StatusOr<ReceivedFrame> Call(int socket, FrameType type, const T& payload,
                                   std::span<const int> fds, FrameType expected) {
  return Call(socket, type, std::span(reinterpret_cast<const uint8_t*>(&payload), sizeof(payload)),
              fds, expected);
}

// Connects to a listening daemon; `path`, if not null, becomes the place where it was found.
// Errors: Unavailable, saying how to start one.
absl::StatusOr<UniqueFd> ConnectToDaemon(const std::string& option_path,
                                         std::string* path = nullptr);

// Connects to the daemon at `path`, without waiting. The socket does not block. Errors: Unavailable
// (nobody listens there, or not our user or root), ResourceExhausted.
absl::StatusOr<UniqueFd> TryConnect(const std::string& path);

}  // namespace uarena

#endif  // UARENA_IPC_CHANNEL_H_
