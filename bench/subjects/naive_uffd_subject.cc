// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/naive_uffd_subject.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "bench/subjects/system_subjects.h"

namespace uarena::bench {
namespace {

// Since Linux 5.11; older headers lack it.
constexpr int kUserModeOnly = 1;

// A userfaultfd with its API agreed on. Without privileges only faults of user code can be had.
absl::StatusOr<int> OpenUffd() {
  long fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | kUserModeOnly);
  if (fd < 0) return absl::ErrnoToStatus(errno, "userfaultfd");
  uffdio_api api = {.api = UFFD_API};
  if (ioctl(static_cast<int>(fd), UFFDIO_API, &api) != 0) {
    const int error = errno;
    close(static_cast<int>(fd));
    return absl::ErrnoToStatus(error, "UFFDIO_API");
  }
  return static_cast<int>(fd);
}

// A page that nobody resolves hangs whoever touched it.
[[noreturn]] void Die(const char* what) {
  perror(what);
  abort();
}

void Handle(int uffd, int stop_fd, size_t page_size) {
  const std::vector<char> zeros(page_size);
  for (;;) {
    pollfd polled[2] = {{.fd = uffd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    if (poll(polled, 2, -1) < 0) {
      if (errno == EINTR) continue;
      Die("naive_uffd: poll");
    }
    if (polled[1].revents != 0) return;
    uffd_msg message;
    if (read(uffd, &message, sizeof(message)) != sizeof(message)) {
      if (errno == EAGAIN) continue;
      Die("naive_uffd: read");
    }
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    uffdio_copy copy = {};
    copy.src = reinterpret_cast<uintptr_t>(zeros.data());
    copy.dst = message.arg.pagefault.address & ~(uint64_t{page_size} - 1);
    copy.len = page_size;
    if (ioctl(uffd, UFFDIO_COPY, &copy) != 0) Die("naive_uffd: UFFDIO_COPY");
  }
}

class HandledMemory : public Memory {
 public:
  HandledMemory(std::unique_ptr<Memory> mapping, int uffd)
      : mapping_(std::move(mapping)),
        uffd_(uffd),
        stop_fd_(eventfd(0, EFD_CLOEXEC)),
        handler_(Handle, uffd, stop_fd_, static_cast<size_t>(sysconf(_SC_PAGESIZE))) {}
  ~HandledMemory() override {
    if (eventfd_write(stop_fd_, 1) != 0) Die("naive_uffd: eventfd");
    handler_.join();
    close(stop_fd_);
    close(uffd_);
  }
  char* base() override { return mapping_->base(); }

 private:
  const std::unique_ptr<Memory> mapping_;
  const int uffd_;
  const int stop_fd_;
  std::thread handler_;
};

}  // namespace

absl::Status NaiveUffdSubject::CheckAvailable(const Need& need) {
  if (absl::Status status = CheckPrivate(need); !status.ok()) return status;
  const absl::StatusOr<int> uffd = OpenUffd();
  if (!uffd.ok()) return uffd.status();
  close(*uffd);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> NaiveUffdSubject::Map(const Need& need) {
  absl::StatusOr<std::unique_ptr<Memory>> mapping = MapAnonymous(need.span_bytes);
  if (!mapping.ok()) return mapping;
  const absl::StatusOr<int> uffd = OpenUffd();
  if (!uffd.ok()) return uffd.status();
  uffdio_register range = {};
  range.range.start = reinterpret_cast<uintptr_t>((*mapping)->base());
  range.range.len = need.span_bytes;
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (ioctl(*uffd, UFFDIO_REGISTER, &range) != 0) {
    const int error = errno;
    close(*uffd);
    return absl::ErrnoToStatus(error, "UFFDIO_REGISTER");
  }
  return std::make_unique<HandledMemory>(*std::move(mapping), *uffd);
}

}  // namespace uarena::bench
