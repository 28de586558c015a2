// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_loop.h"

#include <sys/socket.h>

#include "os/status.h"

namespace uarena {
namespace {

constexpr unsigned kEntries = 1024;

}  // namespace

absl::Status EventLoop::Init() {
  const int result = io_uring_queue_init(kEntries, &ring_, 0);
  if (result < 0) {
    return ErrnoStatus(result, "io_uring is not to be had here",
                       "uarenad needs it: allow it (kernel.io_uring_disabled, seccomp), or use "
                       "Arena::Create, which needs no daemon");
  }
  ready_ = true;
  return absl::OkStatus();
}

EventLoop::~EventLoop() {
  if (ready_) io_uring_queue_exit(&ring_);
}

io_uring_sqe* EventLoop::Next() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void EventLoop::Arm(io_uring_sqe* sqe, Request* request) {
  io_uring_sqe_set_data(sqe, request);
  request->pending_ = true;
}

void EventLoop::Accept(int socket, Request* request) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_accept(sqe, socket, nullptr, nullptr, SOCK_CLOEXEC);
  Arm(sqe, request);
}

void EventLoop::Receive(int socket, msghdr* message, Request* request) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_recvmsg(sqe, socket, message, MSG_CMSG_CLOEXEC);
  Arm(sqe, request);
}

void EventLoop::Read(int fd, void* buffer, unsigned bytes, Request* request) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_read(sqe, fd, buffer, bytes, 0);
  Arm(sqe, request);
}

void EventLoop::Poll(int fd, short events, Request* request) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_poll_add(sqe, fd, static_cast<unsigned>(events));
  Arm(sqe, request);
}

void EventLoop::Close(int fd, Request* request) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_close(sqe, fd);
  io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
  Arm(sqe, request);
}

void EventLoop::Timeout(__kernel_timespec* duration, Request* request) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_timeout(sqe, duration, 0, 0);
  Arm(sqe, request);
}

void EventLoop::Cancel(Request* request) {
  if (!request->pending_) return;
  io_uring_sqe* sqe = Next();
  io_uring_prep_cancel(sqe, request, 0);
  io_uring_sqe_set_data(sqe, nullptr);
}

void EventLoop::Step(bool wait) {
  io_uring_submit_and_wait(&ring_, wait ? 1 : 0);
  io_uring_cqe* cqe = nullptr;
  while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
    auto* request = static_cast<Request*>(io_uring_cqe_get_data(cqe));
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    if (request == nullptr) continue;  // a cancellation's own completion
    request->pending_ = false;
    request->done_(result);
  }
}

void EventLoop::Run(const std::function<bool()>& work) {
  while (!stopping_) Step(!work());
}

void EventLoop::Drain(const std::function<bool()>& done) {
  while (!done()) Step(true);
}

}  // namespace uarena
