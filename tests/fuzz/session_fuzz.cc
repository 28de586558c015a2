// SPDX-License-Identifier: Apache-2.0
//
// Two clients of the daemon's own sessions, event loop and registry, which send packets of any
// content with descriptors of any kind. Nothing crashes, every packet is answered or hung up on,
// and no descriptor is left over.
//
// Input: packets, each
//   1 byte   which client sends (bit 7); how many descriptors (bits 0-2)
//   3 bytes  which descriptors
//   1 byte   the frame's type
//   1 byte   bit 0: the header is spoiled by the next byte; bit 1: the payload's length is
//   2 bytes  payload bytes to take from the input, modulo what is left; the others are zero
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "client/arena_impl.h"
#include "daemon/event_loop.h"
#include "daemon/registry.h"
#include "daemon/session.h"
#include "ipc/channel.h"
#include "ipc/protocol.h"
#include "os/syscall.h"
#include "os/uffd_abi.h"

namespace uarena {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "broken: %s\n", what);
  abort();
}

// What a client may send: its own arena's descriptors, of two arenas that an earlier daemon made,
// and anything else.
class Palette {
 public:
  Palette() {
    for (const char* name : {"old-a", "old-b"}) {
      ArenaOptions options;
      options.max_pages = 64;
      absl::StatusOr<ArenaDescription> description = DescribeArena(options);
      description->name = name;
      description->geometry.base = uint64_t{0x3000} << 32;
      arenas_.push_back(NamedArena::Make(*description, {geteuid(), getegid(), 0600}).value());
      fds_.push_back(arenas_.back()->data_fd());
      fds_.push_back(arenas_.back()->control().fd());
      fds_.push_back(arenas_.back()->deed_fd());
    }
    int pipe_fds[2];
    Require(pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe");
    fds_.push_back(pipe_fds[0]);
    fds_.push_back(pipe_fds[1]);
    fds_.push_back(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    fds_.push_back(open("/dev/null", O_RDWR | O_CLOEXEC));
    fds_.push_back(static_cast<int>(memfd_create("uarena-deed", MFD_ALLOW_SEALING | MFD_CLOEXEC)));
    fds_.push_back(sys::ReopenReadOnly(arenas_[0]->data_fd()));
    bool kernel_faults = false;
    fds_.push_back(sys::Userfaultfd(UFFD_FEATURE_MISSING_SHMEM, &kernel_faults));
  }
  int Pick(uint8_t choice) const { return fds_[choice % fds_.size()]; }

 private:
  std::vector<std::shared_ptr<NamedArena>> arenas_;
  std::vector<int> fds_;
};

// The server around the sessions, as far as they need one.
class Host final : public SessionHost {
 public:
  void WantTurn(Session* session) override { wanting_ = session; }
  void OnClosed(Session* session) override {
    if (wanting_ == session) wanting_ = nullptr;
  }
  void Discard(uid_t, UniqueFd) override {}
  bool MaySendFds(uid_t) const override { return true; }
  Session* TakeWanting() { return std::exchange(wanting_, nullptr); }
  bool wanting() const { return wanting_ != nullptr; }

 private:
  Session* wanting_ = nullptr;
};

class Client {
 public:
  Client(EventLoop& loop, Registry& registry, Host& host, uid_t uid) {
    int pair[2];
    Require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
    socket_.reset(pair[0]);
    session_ = std::make_unique<Session>(loop, registry, host, UniqueFd(pair[1]), Peer{uid, {uid}});
    session_->Start();
  }
  Session& session() { return *session_; }
  int socket() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::unique_ptr<Session> session_;
};

int CountFds() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  size_t Bytes(void* to, size_t most) {
    const size_t count = std::min(most, size_);
    memcpy(to, data_, count);
    data_ += count;
    size_ -= count;
    return count;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

size_t PayloadBytes(FrameType type) {
  switch (type) {
    case FrameType::kOpen:
      return sizeof(OpenPayload);
    case FrameType::kServe:
      return sizeof(ServePayload);
    case FrameType::kList:
    case FrameType::kRemove:
      return sizeof(NamePayload);
    case FrameType::kGetRoots:
      return sizeof(GetRootsPayload);
    default:
      return 0;
  }
}

// Sends one packet. False: the other side has hung up.
bool SendPacket(Input& input, const Palette& palette, int socket, uint8_t first, bool* serving) {
  int fds[kMaxFrameFds + 2];
  const size_t fd_count = std::min<size_t>(first & 7, std::size(fds));
  for (size_t i = 0; i < fd_count; ++i) fds[i] = palette.Pick(i < 3 ? input.Byte() : 0);
  FrameHeader header;
  header.type = static_cast<FrameType>(input.Byte() % 20);
  const uint8_t spoil = input.Byte();
  size_t bytes = PayloadBytes(header.type);
  if ((spoil & 2) != 0) bytes = (input.Byte() | input.Byte() << 8) % (kMaxFrame + 64);
  header.payload_bytes = static_cast<uint32_t>(bytes);
  if ((spoil & 1) != 0) {
    const uint8_t where = input.Byte();
    reinterpret_cast<uint8_t*>(&header)[where % sizeof(header)] ^= input.Byte();
  }
  std::vector<uint8_t> packet(sizeof(header) + bytes);
  memcpy(packet.data(), &header, sizeof(header));
  input.Bytes(packet.data() + sizeof(header), bytes);
  *serving |= static_cast<FrameType>(packet[offsetof(FrameHeader, type)]) == FrameType::kServe;
  iovec part{packet.data(), (spoil & 4) != 0 ? packet.size() / 2 : packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {};
  if (fd_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
    cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
    memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void Feed(const uint8_t* data, size_t size) {
  static const auto* palette = new Palette;
  static EventLoop* loop = [] {
    auto* made = new EventLoop;
    Require(made->Init().ok(), "io_uring");
    return made;
  }();
  static int fds_at_rest = CountFds();
  {
    Input input(data, size);
    Registry registry({.arenas = 4, .connections = 2});
    Host host;
    Client clients[2] = {{*loop, registry, host, geteuid()}, {*loop, registry, host, 65534}};
    bool serving = false;
    for (int packets = 0; !input.empty() && packets < 8; ++packets) {
      const uint8_t first = input.Byte();
      Client& client = clients[first >> 7];
      if (client.session().closed()) continue;
      if (!SendPacket(input, *palette, client.socket(), first, &serving)) continue;
      loop->Drain([&] { return host.wanting() || client.session().closed(); });
      if (Session* session = host.TakeWanting(); session != nullptr) {
        session->TakeTurn();
        Frame answer;
        const ssize_t bytes = recv(client.socket(), &answer, sizeof(answer), MSG_DONTWAIT);
        Require(
            session->closed() || (bytes > 0 && CheckFrame(answer, static_cast<size_t>(bytes)).ok()),
            "an answer");
      }
    }
    for (Client& client : clients) client.session().Close();
    // What was cancelled completes; but a thread that serves faults ends without a word.
    auto finished = [&] {
      return clients[0].session().finished() && clients[1].session().finished();
    };
    if (!serving) loop->Drain(finished);
    for (int waited = 0; !finished(); ++waited) {
      Require(waited < 500, "sessions end");
      Request alarm([](int) {});
      __kernel_timespec soon{0, 10'000'000};
      loop->Timeout(&soon, &alarm);
      loop->Drain([&] { return finished() || !alarm.pending(); });
      loop->Cancel(&alarm);
      loop->Drain([&] { return !alarm.pending(); });
    }
  }
  // Arenas are disposed of on another thread. Some more than at rest are that thread's and the
  // sanitizer's; what is lost every time does not stay hidden for long.
  static int inputs = 0;
  if (++inputs % 64 != 0) return;
  for (int waited = 0; CountFds() > fds_at_rest + 8; ++waited) {
    Require(waited < 50'000, "descriptors are given back");
    usleep(100);
  }
}

}  // namespace
}  // namespace uarena

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uarena::Feed(data, size);
  return 0;
}
