// SPDX-License-Identifier: Apache-2.0
#include "client/keeper.h"

#include <poll.h>

#include "fault/in_place.h"
#include "ipc/channel.h"
#include "pages/recovery.h"

namespace uarena {

Keeper::Keeper(int socket, int uffd, const Geometry& geometry, Resolver* resolver)
    : socket_(socket),
      uffd_(uffd),
      geometry_(geometry),
      resolver_(resolver),
      thread_("uarena-keeper", [this](int stop_fd) { Run(stop_fd); }) {}

void Keeper::Run(int stop_fd) {
  pollfd fds[2] = {{socket_, POLLIN, 0}, {stop_fd, POLLIN, 0}};
  while (true) {
    poll(fds, 2, -1);
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    const absl::StatusOr<ReceivedFrame> received = ReceiveFrame(socket_);
    if (absl::IsUnavailable(received.status())) break;
    RefusedPayload refused;
    if (received.ok() && received->frame.header.type == FrameType::kRefused &&
        ReadPayload(received->frame, &refused).ok() && geometry_.Contains(refused.address)) {
      QueueSegv(refused.tid, refused.address);
    }
  }
  TakeOver();
  fds[0].fd = -1;
  while (fds[1].revents == 0) poll(fds, 2, -1);
}

void Keeper::TakeOver() {
  // What the daemon had read and not answered is not told again until it is woken: then it faults
  // anew, and we get the message.
  handler_ = std::make_unique<HandlerThread>(uffd_, geometry_, resolver_);
  const PageContext& context = resolver_->allocator().context();
  context.mapper.Wake(0, geometry_.max_pages);
  RecoverDeadProcesses(*context.control, context);
}

}  // namespace uarena
