// SPDX-License-Identifier: Apache-2.0
#include "ipc/channel.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ipc/socket_path.h"
#include "os/status.h"

namespace uarena {
namespace {

// How long a client waits for an answer of the daemon.
constexpr int kPatienceSeconds = 5;

absl::Status HungUp() { return absl::UnavailableError("the other side has closed the connection"); }

}  // namespace

absl::Status SendFrame(int socket, FrameType type, std::span<const uint8_t> payload,
                       std::span<const int> fds, bool wait) {
  FrameHeader header;
  header.type = type;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  iovec parts[2] = {{&header, sizeof(header)},
                    {const_cast<uint8_t*>(payload.data()), payload.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  alignas(cmsghdr) char control[kFdsControlBytes] = {};
  PutFds(fds, control, &message);
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return HungUp();
    if (errno == EAGAIN) {
      return absl::DeadlineExceededError("the other side does not read its messages");
    }
    return ErrnoStatus(
        errno, "sending on the socket",
        errno == ENOTSOCK || errno == EBADF ? "it must be a connected Unix socket" : "");
  }
  if (static_cast<size_t>(sent) != sizeof(header) + payload.size()) return HungUp();
  return absl::OkStatus();
}

bool IsFull(const absl::Status& status) { return absl::IsDeadlineExceeded(status); }

void PutFds(std::span<const int> fds, char (&control)[kFdsControlBytes], msghdr* message) {
  if (fds.empty()) return;
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr* cmsg = CMSG_FIRSTHDR(message);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  memcpy(CMSG_DATA(cmsg), fds.data(), sizeof(int) * fds.size());
}

std::vector<UniqueFd> TakeFds(const msghdr& message) {
  std::vector<UniqueFd> fds;
  auto& headers = const_cast<msghdr&>(message);
  for (cmsghdr* cmsg = CMSG_FIRSTHDR(&headers); cmsg != nullptr;
       cmsg = CMSG_NXTHDR(&headers, cmsg)) {
    if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

absl::StatusOr<ReceivedFrame> ReceiveFrame(int socket) {
  ReceivedFrame received;
  int kind = SOCK_SEQPACKET;
  socklen_t kind_bytes = sizeof(kind);
  getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &kind_bytes);
  size_t have = 0;
  auto* bytes = reinterpret_cast<uint8_t*>(&received.frame);
  // A stream gives the header first, then the rest; a packet comes whole.
  size_t want = kind == SOCK_STREAM ? sizeof(FrameHeader) : sizeof(Frame);
  while (have < want) {
    iovec part{bytes + have, want - have};
    alignas(cmsghdr) char control[kFdsControlBytes];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    ssize_t got;
    bool reset = false;
    do {
      got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
      // Told once when the peer closed without reading all; what it had sent comes after.
    } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return HungUp();
    if (got < 0 && errno == EAGAIN) {
      return absl::DeadlineExceededError(
          absl::StrCat("no answer within ", kPatienceSeconds, " s; is uarenad stopped?"));
    }
    if (got < 0) {
      return ErrnoStatus(
          errno, "receiving from the socket",
          errno == ENOTSOCK || errno == EBADF ? "it must be a connected Unix socket" : "");
    }
    for (UniqueFd& fd : TakeFds(message)) received.fds.push_back(std::move(fd));
    have += static_cast<size_t>(got);
    if (kind != SOCK_STREAM) break;
    if (have == sizeof(FrameHeader) && want == sizeof(FrameHeader)) {
      if (received.frame.header.magic != kFrameMagic ||
          received.frame.header.payload_bytes > sizeof(received.frame.payload)) {
        break;  // CheckFrame says what is wrong
      }
      want += received.frame.header.payload_bytes;
    }
  }
  UARENA_RETURN_IF_ERROR(CheckFrame(received.frame, have));
  return received;
}

absl::StatusOr<ReceivedFrame> Call(int socket, FrameType type, std::span<const uint8_t> payload,
                                   std::span<const int> fds, FrameType expected) {
  const absl::Status sent = SendFrame(socket, type, payload, fds);
  // A daemon that hangs up at once has said why before.
  if (!sent.ok() && !absl::IsUnavailable(sent)) return sent;
  while (true) {
    absl::StatusOr<ReceivedFrame> answer = ReceiveFrame(socket);
    // What is said unasked is no answer.
    if (answer.ok() && answer->frame.header.type == FrameType::kRefused) continue;
    return ReadAnswer(std::move(answer), expected);
  }
}

absl::StatusOr<ReceivedFrame> ReadAnswer(absl::StatusOr<ReceivedFrame> answer, FrameType expected) {
  if (!answer.ok()) return answer.status();
  if (answer->frame.header.type == FrameType::kError) {
    ErrorPayload error;
    UARENA_RETURN_IF_ERROR(ReadPayload(answer->frame, &error));
    return ReadError(error);
  }
  if (answer->frame.header.type != expected) {
    return absl::InternalError(absl::StrCat("the daemon answered with a frame of type ",
                                            static_cast<int>(answer->frame.header.type), " where ",
                                            static_cast<int>(expected), " was expected"));
  }
  return answer;
}

namespace {

// Connects; -errno if nobody answers there.
absl::StatusOr<int> Connect(int socket, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path \"", path, "\" is longer than ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ? 0 : -errno;
}

// Whoever listens gets our userfaultfd and gives us memory: only root or ourselves.
bool Trusted(int socket, uid_t* uid) {
  ucred peer{};
  socklen_t bytes = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  *uid = peer.uid;
  return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectToDaemon(const std::string& option_path, std::string* path) {
  const std::vector<std::string> candidates = SocketCandidates(option_path);
  std::vector<std::string> tried;
  for (const std::string& candidate : candidates) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return ErrnoStatus(errno, "creating a socket");
    // A daemon that is stopped must not stop its clients.
    const timeval patience{kPatienceSeconds, 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const absl::StatusOr<int> result = Connect(socket.get(), candidate);
    if (!result.ok()) return result.status();
    if (*result != 0) {
      tried.push_back(absl::StrCat(candidate, " (", strerror(-*result), ")"));
      continue;
    }
    uid_t uid = 0;
    if (Trusted(socket.get(), &uid)) {
      if (path != nullptr) *path = candidate;
      return socket;
    }
    tried.push_back(absl::StrCat(candidate, " (belongs to user ", uid, ")"));
  }
  return absl::UnavailableError(
      absl::StrCat("no uarenad answers at ", absl::StrJoin(tried, ", "),
                   "; start one with `uarenad &`, or name its socket by UARENA_SOCKET or "
                   "ArenaOptions::socket_path"));
}

absl::StatusOr<UniqueFd> TryConnect(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "creating a socket");
  const absl::StatusOr<int> result = Connect(socket.get(), path);
  if (!result.ok()) return result.status();
  uid_t uid = 0;
  if (*result != 0 || !Trusted(socket.get(), &uid)) {
    return absl::UnavailableError(absl::StrCat("no uarenad of ours answers at ", path));
  }
  return socket;
}

}  // namespace uarena
