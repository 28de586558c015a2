// SPDX-License-Identifier: Apache-2.0
#include "daemon/session.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fault/handler_thread.h"
#include "os/status.h"
#include "os/syscall.h"

namespace uarena {
namespace {

// A client that does not read its answers is hung up on.
constexpr size_t kMostOutgoing = 64;
// Batches of faults of one client before the others get their turn.
constexpr int kBatchesPerTurn = 4;

// Anything may have been sent as a userfaultfd, and a read of something else could block for ever.
absl::Status CheckIsUffd(int fd) {
  char path[64];
  char target[64] = {};
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  if (readlink(path, target, sizeof(target) - 1) < 0) return ErrnoStatus(errno, "readlink");
  if (strcmp(target, "anon_inode:[userfaultfd]") != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the descriptor to serve is ", target, ", not a userfaultfd"));
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "making a userfaultfd non-blocking");
  }
  return absl::OkStatus();
}

}  // namespace

Session::Session(EventLoop& loop, Registry& registry, UniqueFd socket, const Peer& peer)
    : loop_(loop),
      registry_(registry),
      socket_(std::move(socket)),
      peer_(peer),
      receive_([this](int result) { OnMessage(result); }),
      send_([this](int result) { OnSent(result); }),
      faults_([this](int result) { OnFaults(result); }) {}

Session::~Session() = default;

void Session::Start() { Listen(); }

void Session::Close() {
  if (closed_) return;
  closed_ = true;
  shutdown(socket_.get(), SHUT_RDWR);
  loop_.Cancel(&receive_);
  loop_.Cancel(&send_);
  loop_.Cancel(&faults_);
  // The client keeps a descriptor of its own, so nothing is unregistered by this one's end.
  if (arena_ != nullptr) arena_->Recover();
}

bool Session::finished() const {
  return closed_ && !receive_.pending() && !send_.pending() && !faults_.pending();
}

void Session::Listen() {
  incoming_part_ = {&incoming_, sizeof(incoming_)};
  incoming_message_ = {};
  incoming_message_.msg_iov = &incoming_part_;
  incoming_message_.msg_iovlen = 1;
  incoming_message_.msg_control = incoming_control_;
  incoming_message_.msg_controllen = sizeof(incoming_control_);
  loop_.Receive(socket_.get(), &incoming_message_, &receive_);
}

void Session::OnMessage(int result) {
  std::vector<UniqueFd> fds;
  if (result > 0) fds = TakeFds(incoming_message_);
  if (closed_) return;
  if (result <= 0) {
    if (result == -EINTR || result == -EAGAIN) {
      Listen();
    } else {
      Close();
    }
    return;
  }
  absl::Status status = CheckFrame(incoming_, static_cast<size_t>(result));
  if (status.ok()) status = Handle(incoming_, std::move(fds));
  if (!status.ok()) Answer(FrameType::kError, MakeError(status));
  if (!closed_) Listen();
}

absl::Status Session::Handle(const Frame& frame, std::vector<UniqueFd> fds) {
  switch (frame.header.type) {
    case FrameType::kOpen:
      return HandleOpen(frame);
    case FrameType::kServe:
      return HandleServe(frame, std::move(fds));
    case FrameType::kList:
      return HandleList(frame);
    case FrameType::kRemove:
      return HandleRemove(frame);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("frame type ", static_cast<int>(frame.header.type), " is not a request"));
  }
}

absl::Status Session::HandleOpen(const Frame& frame) {
  OpenPayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  if (arena_ != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("this connection has opened arena \"", arena_->name(), "\" already"));
  }
  ArenaOptions options;
  options.max_pages = request.max_pages;
  options.user_vm_start = request.user_vm_start;
  options.quota_pages = request.quota_pages;
  options.create = (request.flags & kOpenCreate) != 0;
  options.page_size = (request.flags & kOpenHuge) != 0 ? PageSize::k2MiB : PageSize::kSystem;
  options.segv_on_fault = (request.flags & kOpenSegvOnFault) != 0;
  options.max_populate_pages = request.max_populate_pages;
  options.numa_node = request.numa_node;
  absl::StatusOr<std::shared_ptr<NamedArena>> arena =
      registry_.Open(ReadText(request.name, sizeof(request.name)), options, peer_);
  if (!arena.ok()) return arena.status();
  arena_ = *std::move(arena);
  Queue(FrameType::kOpened, nullptr, 0, true);
  return absl::OkStatus();
}

absl::Status Session::HandleServe(const Frame& frame, std::vector<UniqueFd> fds) {
  ServePayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  if (arena_ == nullptr) {
    return absl::FailedPreconditionError("this connection has not opened an arena");
  }
  if (resolver_ != nullptr) {
    return absl::FailedPreconditionError("this connection's faults are served already");
  }
  if (fds.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("serving takes one userfaultfd, not ", fds.size(), " descriptors"));
  }
  if (request.process_slot >= kMaxProcesses) {
    return absl::InvalidArgumentError(
        absl::StrCat("process slot ", request.process_slot, " does not exist"));
  }
  UARENA_RETURN_IF_ERROR(CheckIsUffd(fds[0].get()));
  uffd_ = std::move(fds[0]);
  const Control& control = arena_->control();
  const PageContext context{&control,
                            Mapper(control.description().geometry, arena_->data_fd(), uffd_.get()),
                            arena_->data_fd()};
  resolver_ =
      std::make_unique<Resolver>(Allocator(context, arena_->daemon_slot()), request.process_slot);
  WatchFaults();
  Queue(FrameType::kDone, nullptr, 0, false);
  return absl::OkStatus();
}

absl::Status Session::HandleList(const Frame& frame) {
  NamePayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  Answer(FrameType::kListed, registry_.List(ReadText(request.name, sizeof(request.name)), peer_));
  return absl::OkStatus();
}

absl::Status Session::HandleRemove(const Frame& frame) {
  NamePayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  UARENA_RETURN_IF_ERROR(registry_.Remove(ReadText(request.name, sizeof(request.name)), peer_));
  Queue(FrameType::kDone, nullptr, 0, false);
  return absl::OkStatus();
}

template <typename T>
void Session::Answer(FrameType type, const T& payload) {
  Queue(type, &payload, sizeof(payload), false);
}

void Session::Queue(FrameType type, const void* payload, size_t bytes, bool with_arena) {
  if (closed_) return;
  if (outgoing_.size() >= kMostOutgoing) {
    Close();
    return;
  }
  FrameHeader header;
  header.type = type;
  header.payload_bytes = static_cast<uint32_t>(bytes);
  Outgoing message;
  message.bytes.resize(sizeof(header) + bytes);
  memcpy(message.bytes.data(), &header, sizeof(header));
  if (bytes > 0) memcpy(message.bytes.data() + sizeof(header), payload, bytes);
  if (with_arena) {
    message.fds = {arena_->data_fd(), arena_->control().fd()};
    message.keep = arena_;
  }
  outgoing_.push_back(std::move(message));
  if (!send_.pending()) SendNext();
}

void Session::SendNext() {
  const Outgoing& message = outgoing_.front();
  outgoing_part_ = {const_cast<uint8_t*>(message.bytes.data()), message.bytes.size()};
  outgoing_message_ = {};
  outgoing_message_.msg_iov = &outgoing_part_;
  outgoing_message_.msg_iovlen = 1;
  PutFds(message.fds, outgoing_control_, &outgoing_message_);
  loop_.Send(socket_.get(), &outgoing_message_, &send_);
}

void Session::OnSent(int result) {
  if (closed_) return;
  if (result < 0) {
    Close();
    return;
  }
  outgoing_.pop_front();
  if (!outgoing_.empty()) SendNext();
}

void Session::WatchFaults() { loop_.PollIn(uffd_.get(), &faults_); }

void Session::OnFaults(int result) {
  if (closed_) return;
  if (result < 0) {
    Close();
    return;
  }
  const Geometry& geometry = arena_->control().description().geometry;
  for (int batches = 0; batches < kBatchesPerTurn;) {
    const BatchResult batch =
        ServeFaults(uffd_.get(), geometry, *resolver_, [this](int tid, uint64_t address) {
          Answer(FrameType::kRefused, RefusedPayload{address, tid, 0});
        });
    if (batch.gone) return;  // its socket will say so too
    const uint64_t now = sys::NowNs();
    if (batch.messages > 0) {
      spin_.Served(batch.arrived_ns, now);
      ++batches;
    } else if (!spin_.KeepLooking(now) || loop_.HasWork()) {
      break;
    } else {
      sched_yield();  // to the client, should it share our processor
    }
  }
  if (!closed_) WatchFaults();
}

}  // namespace uarena
