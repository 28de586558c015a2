// SPDX-License-Identifier: Apache-2.0
#include "fault/handler_thread.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "fault/in_place.h"
#include "fault/plan.h"
#include "fault/spin.h"
#include "os/syscall.h"
#include "os/uffd_abi.h"

namespace uarena {

BatchResult ServeFaults(int uffd, const Geometry& geometry, Resolver& resolver,
                        const std::function<void(int tid, uint64_t address)>& refuse) {
  constexpr size_t kBatch = 64;
  uffd_msg messages[kBatch];
  const ssize_t bytes = read(uffd, messages, sizeof(messages));
  BatchResult result;
  if (bytes < 0) {
    result.gone = errno != EAGAIN && errno != EINTR;
    return result;
  }
  result.arrived_ns = sys::NowNs();
  result.messages = static_cast<int>(static_cast<size_t>(bytes) / sizeof(uffd_msg));
  uint64_t pages[kBatch];
  size_t used = 0;
  for (int i = 0; i < result.messages; ++i) {
    const uint64_t address = messages[i].arg.pagefault.address;
    if (messages[i].event == UFFD_EVENT_PAGEFAULT && geometry.Contains(address)) {
      pages[used++] = geometry.PageOf(address);
    }
  }
  PageRange ranges[kBatch];
  const size_t range_count = PlanRanges({pages, used}, ranges);
  for (size_t i = 0; i < range_count; ++i) {
    const Resolution resolution = resolver.Resolve(ranges[i].first, ranges[i].count);
    if (resolution == Resolution::kGone) result.gone = true;
    if (resolution != Resolution::kRefused) continue;
    // Some page of the range may not be touched: find out whose touch that was.
    for (int k = 0; k < result.messages; ++k) {
      const uint64_t address = messages[k].arg.pagefault.address;
      const uint64_t page = geometry.PageOf(address);
      if (page < ranges[i].first || page >= ranges[i].end()) continue;
      if (ranges[i].count == 1 || resolver.Resolve(page, 1) == Resolution::kRefused) {
        refuse(static_cast<int>(messages[k].arg.pagefault.feat.ptid), address);
      }
    }
  }
  return result;
}

HandlerThread::HandlerThread(int uffd, const Geometry& geometry, Resolver* resolver)
    : thread_("uarena-faults", [uffd, geometry, resolver](int stop_fd) {
        pollfd fds[2] = {{uffd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
        SpinPolicy spin;
        while (fds[1].revents == 0) {
          const BatchResult batch = ServeFaults(uffd, geometry, *resolver, QueueSegv);
          if (batch.gone) return;
          const uint64_t now = sys::NowNs();
          if (batch.messages > 0) {
            spin.Served(batch.arrived_ns, now);
          } else if (spin.KeepLooking(now)) {
            sched_yield();  // to the thread that is to fault, should it share our processor
          } else {
            poll(fds, 2, -1);
          }
        }
      }) {}

}  // namespace uarena
