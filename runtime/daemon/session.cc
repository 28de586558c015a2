// SPDX-License-Identifier: Apache-2.0
#include "daemon/session.h"

#include <poll.h>

#include <cerrno>
#include <new>
#include <utility>

namespace uarena {
namespace {

// A client that does not read its answer for so long is hung up on.
constexpr auto kReadPatience = std::chrono::seconds(5);

}  // namespace

Session::Session(EventLoop& loop, Registry& registry, SessionHost& host, UniqueFd socket, Peer peer)
    : loop_(loop),
      host_(host),
      socket_(std::move(socket)),
      requests_(registry, std::move(peer)),
      receive_([this](int result) { OnMessage(result); }),
      writable_([this](int result) { OnWritable(result); }) {}

void Session::Start() { Listen(); }

void Session::Close() {
  if (closed_) return;
  closed_ = true;
  shutdown(socket_.get(), SHUT_RDWR);
  loop_.Cancel(&receive_);
  loop_.Cancel(&writable_);
  // The client keeps a descriptor of its own, so nothing is unregistered by this one's end.
  if (lane_ != nullptr) lane_->Stop();
  for (UniqueFd& fd : incoming_fds_) host_.Discard(user(), std::move(fd));
  incoming_fds_.clear();
  host_.OnClosed(this);
}

bool Session::finished() const {
  return closed_ && !receive_.pending() && !writable_.pending() &&
         (lane_ == nullptr || lane_->ended());
}

void Session::Listen() {
  incoming_part_ = {&incoming_, sizeof(incoming_)};
  incoming_message_ = {};
  incoming_message_.msg_iov = &incoming_part_;
  incoming_message_.msg_iovlen = 1;
  // Without room for them, the kernel drops descriptors before they are ours.
  if (host_.MaySendFds(user())) {
    incoming_message_.msg_control = incoming_control_;
    incoming_message_.msg_controllen = sizeof(incoming_control_);
  }
  loop_.Receive(socket_.get(), &incoming_message_, &receive_);
}

void Session::OnMessage(int result) {
  if (result > 0) incoming_fds_ = TakeFds(incoming_message_);
  if (closed_) {
    for (UniqueFd& fd : incoming_fds_) host_.Discard(user(), std::move(fd));
    incoming_fds_.clear();
    return;
  }
  if (result == -EINTR || result == -EAGAIN) return Listen();
  if (result <= 0) return Close();
  incoming_bytes_ = static_cast<size_t>(result);
  host_.WantTurn(this);
}

void Session::TakeTurn() {
  if (closed_) return;
  try {
    std::optional<Answer> answer = requests_.Handle(incoming_, incoming_bytes_, &incoming_fds_);
    for (UniqueFd& fd : incoming_fds_) host_.Discard(user(), std::move(fd));
    incoming_fds_.clear();
    Respond(std::move(answer));
  } catch (const std::bad_alloc&) {
    Close();
  }
}

void Session::Retry() {
  if (!closed_) Respond(requests_.Retry());
}

void Session::Respond(std::optional<Answer> answer) {
  if (!answer.has_value()) return;
  if (std::optional<Requests::ToServe> to_serve = requests_.TakeToServe(); to_serve.has_value()) {
    absl::StatusOr<std::unique_ptr<FaultLane>> lane = FaultLane::Start(
        requests_.arena(), std::move(to_serve->uffd), to_serve->process_slot, socket_.get());
    if (lane.ok()) {
      lane_ = *std::move(lane);
    } else {
      answer = Requests::ErrorAnswer(lane.status());
    }
  }
  Send(*std::move(answer));
  // After its answer, so that no refusal comes before it.
  if (lane_ != nullptr && !closed_) lane_->Go();
}

void Session::Send(Answer answer) {
  const absl::Status sent = SendFrame(socket_.get(), answer.type,
                                      std::span<const uint8_t>(answer.payload), answer.fds, false);
  if (sent.ok()) return Listen();
  if (!IsFull(sent)) return Close();
  unsent_ = std::move(answer);
  unsent_since_ = std::chrono::steady_clock::now();
  loop_.Poll(socket_.get(), POLLOUT, &writable_);
}

void Session::OnWritable(int result) {
  if (closed_) return;
  if (result < 0) return Close();
  Answer answer = *std::exchange(unsent_, std::nullopt);
  const auto since = unsent_since_;
  Send(std::move(answer));
  if (unsent_.has_value()) unsent_since_ = since;
}

void Session::Tick() {
  if (lane_ != nullptr && closed_ && !lane_->ended()) lane_->Stop();
  if (unsent_.has_value() && std::chrono::steady_clock::now() - unsent_since_ > kReadPatience) {
    Close();
  }
}

}  // namespace uarena
