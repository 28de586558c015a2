// SPDX-License-Identifier: Apache-2.0
//
// One io_uring: everything the daemon waits for is a request on it.
#ifndef UARENA_DAEMON_EVENT_LOOP_H_
#define UARENA_DAEMON_EVENT_LOOP_H_

#include <liburing.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"

namespace uarena {

// One request in flight. The owner keeps it alive until it has completed; `Pending` says whether it
// has.
class Request {
 public:
  // Called with the completion's result: what the system call would return, or -errno.
  explicit Request(std::function<void(int result)> done) : done_(std::move(done)) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  bool pending() const { return pending_; }

 private:
  friend class EventLoop;
  std::function<void(int)> done_;
  bool pending_ = false;
};

// Not thread-safe: one thread runs it and makes all calls.
class EventLoop {
 public:
  EventLoop() = default;
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Errors: Unimplemented or PermissionDenied where io_uring is not to be had.
  absl::Status Init();

  // Each submits one request; its completion calls the request's function once.
  void Accept(int socket, Request* request);
  void Receive(int socket, msghdr* message, Request* request);
  void Read(int fd, void* buffer, unsigned bytes, Request* request);
  void Poll(int fd, short events, Request* request);
  // Closes the descriptor on a thread of the kernel's.
  void Close(int fd, Request* request);
  void Timeout(__kernel_timespec* duration, Request* request);
  // Ends a pending request early, with -ECANCELED.
  void Cancel(Request* request);

  // Runs until Stop. Between completions it calls `work`, which does one thing and says whether
  // there is more to do.
  void Run(const std::function<bool()>& work);
  void Stop() { stopping_ = true; }
  // Processes completions until `done()`; for shutting down. Some completion must be due.
  void Drain(const std::function<bool()>& done);

 private:
  io_uring_sqe* Next();
  void Arm(io_uring_sqe* sqe, Request* request);
  void Step(bool wait);

  io_uring ring_{};
  bool ready_ = false;
  bool stopping_ = false;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_EVENT_LOOP_H_
