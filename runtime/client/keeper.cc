// SPDX-License-Identifier: Apache-2.0
#include "client/keeper.h"

#include <poll.h>

#include <algorithm>
#include <span>
#include <utility>

#include "fault/in_place.h"
#include "os/failpoint.h"
#include "os/syscall.h"
#include "pages/recovery.h"

namespace uarena {
namespace {

// A daemon that comes back waits a little longer than the slowest of these for arenas to return
// (kReturnsNs in daemon/server.cc).
constexpr int kFirstPauseMs = 50;
constexpr int kLastPauseMs = 500;
constexpr int kQuickTries = 10;
constexpr int kPatienceMs = 5000;

// True: stopped before the time was over.
bool Pause(int stop_fd, int milliseconds) {
  pollfd stop{stop_fd, POLLIN, 0};
  return poll(&stop, 1, milliseconds) > 0;
}

}  // namespace

Keeper::Keeper(KeptArena arena, UniqueFd socket)
    : arena_(std::move(arena)),
      socket_(std::move(socket)),
      thread_("uarena-keeper", [this](int stop_fd) { Run(stop_fd); }) {}

void Keeper::AbandonInChild() {
  socket_.reset();
  thread_.AbandonInChild();
  if (handler_ != nullptr) handler_.release()->AbandonInChild();
}

void Keeper::Run(int stop_fd) {
  while (true) {
    if (socket_.valid() && !StayConnected(stop_fd)) return;
    TakeOver();
    if (!StayAlone(stop_fd)) return;
  }
}

void Keeper::Deliver(const ReceivedFrame& received) {
  RefusedPayload refused;
  if (received.frame.header.type == FrameType::kRefused &&
      ReadPayload(received.frame, &refused).ok() && arena_.geometry.Contains(refused.address)) {
    QueueSegv(refused.tid, refused.address);
  }
}

bool Keeper::StayConnected(int stop_fd) {
  pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
  while (true) {
    poll(fds, 2, -1);
    if (fds[1].revents != 0) return false;
    if (fds[0].revents == 0) continue;
    const absl::StatusOr<ReceivedFrame> received = ReceiveFrame(socket_.get());
    if (absl::IsUnavailable(received.status())) return true;
    if (received.ok()) Deliver(*received);
  }
}

void Keeper::TakeOver() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    socket_.reset();
    if (arena_.uffd < 0) return;
    // There still is one if the daemon went away while it was to take the faults back.
    if (handler_ == nullptr) {
      handler_ = std::make_unique<HandlerThread>(arena_.uffd, arena_.geometry, arena_.resolver);
    }
  }
  // What the daemon had read and not answered is not told again until it is woken: then it faults
  // anew, and we get the message.
  const PageContext& context = arena_.resolver->allocator().context();
  context.mapper.Wake(0, arena_.geometry.max_pages);
  RecoverDeadProcesses(*context.control, context);
}

bool Keeper::StayAlone(int stop_fd) {
  int pause = kFirstPauseMs;
  for (int tries = 0;; ++tries) {
    const Control& control = *arena_.resolver->allocator().context().control;
    const bool looking = arena_.reconnect && control.header().nameless.load() == 0;
    if (Pause(stop_fd, looking ? pause : -1)) return false;
    if (looking && HandBack(stop_fd)) return true;
    if (tries >= kQuickTries) pause = std::min(2 * pause, kLastPauseMs);
  }
}

bool Keeper::HandBack(int stop_fd) {
  {
    absl::StatusOr<UniqueFd> socket = TryConnect(arena_.socket_path);
    if (!socket.ok()) return false;
    const std::lock_guard<std::mutex> lock(mutex_);
    socket_ = *std::move(socket);
  }
  auto give_up = [this] {
    const std::lock_guard<std::mutex> lock(mutex_);
    socket_.reset();
    return false;
  };
  const int fds[] = {arena_.data_fd, arena_.control_fd, arena_.deed_fd};
  if (!SendFrame(socket_.get(), FrameType::kHandBack, std::span<const uint8_t>(), fds, false)
           .ok()) {
    return give_up();
  }
  const absl::StatusOr<ReceivedFrame> answer = Await(stop_fd, FrameType::kOpened);
  if (!answer.ok()) return give_up();
  if (arena_.uffd < 0) return true;

  const int uffds[] = {arena_.uffd};
  if (!SendFrame(socket_.get(), FrameType::kServe, ServePayload{arena_.process_slot, 0}, uffds,
                 false)
           .ok() ||
      !Await(stop_fd, FrameType::kDone).ok()) {
    return give_up();
  }
  UARENA_FAILPOINT("keeper.served_again");
  {
    // It ends when it has resolved what it has read.
    const std::lock_guard<std::mutex> lock(mutex_);
    handler_.reset();
  }
  arena_.resolver->allocator().context().mapper.Wake(0, arena_.geometry.max_pages);
  return true;
}

absl::StatusOr<ReceivedFrame> Keeper::Await(int stop_fd, FrameType expected) {
  const uint64_t end = sys::NowNs() / 1'000'000 + kPatienceMs;
  while (true) {
    const uint64_t now = sys::NowNs() / 1'000'000;
    if (now >= end) return absl::DeadlineExceededError("the daemon does not answer");
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
    poll(fds, 2, static_cast<int>(end - now));
    if (fds[1].revents != 0) return absl::CancelledError("stopping");
    if (fds[0].revents == 0) continue;
    absl::StatusOr<ReceivedFrame> received = ReceiveFrame(socket_.get());
    if (received.ok() && received->frame.header.type == FrameType::kRefused) {
      Deliver(*received);
      continue;
    }
    return ReadAnswer(std::move(received), expected);
  }
}

}  // namespace uarena
