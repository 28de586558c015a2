// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/huge_page_pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "uarena/arena.h"

namespace uarena::bench {
namespace {

constexpr char kPoolSize[] = "/proc/sys/vm/nr_hugepages";

// From its beginning: the guard shares the file's position with the process that forked it.
bool WriteSize(int pool_fd, const std::string& size) {
  return pwrite(pool_fd, size.data(), size.size(), 0) == static_cast<ssize_t>(size.size());
}

// In the guard, between fork and exit: only async-signal-safe calls. `life_fd` is at its end when
// nobody holds the other side any more.
[[noreturn]] void Guard(int life_fd, int pool_fd, const std::string& size) {
  setsid();
  char byte;
  while (read(life_fd, &byte, 1) < 0 && errno == EINTR) continue;
  _exit(WriteSize(pool_fd, size) ? 0 : 1);
}

}  // namespace

absl::Status CheckHugePages(uint64_t pages) {
  const uint64_t free = ProbeKernel().huge_2mib_pages;
  if (free >= pages) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "needs ", pages, " pages of 2 MiB and the pool has ", free, " (vm.nr_hugepages)"));
}

void HugePagePool::Grow(uint64_t pages) {
  const uint64_t free = ProbeKernel().huge_2mib_pages;
  uint64_t size = 0;
  if (free >= pages || !(std::ifstream(kPoolSize) >> size)) return;
  const int pool_fd = open(kPoolSize, O_WRONLY | O_CLOEXEC);
  int pipe_fds[2];
  if (pool_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
    close(pool_fd);
    return;
  }
  // The guard is there before anything is changed.
  const std::string before = std::to_string(size);
  guard_ = fork();
  if (guard_ == 0) {
    close(pipe_fds[1]);
    Guard(pipe_fds[0], pool_fd, before);
  }
  close(pipe_fds[0]);
  life_fd_ = pipe_fds[1];
  if (guard_ > 0) {
    const std::string after = std::to_string(size + pages - free);
    if (WriteSize(pool_fd, after)) {
      fprintf(stderr, "raised vm.nr_hugepages from %s to %s for this run\n", before.c_str(),
              after.c_str());
    }
  }
  close(pool_fd);
}

HugePagePool::~HugePagePool() {
  if (life_fd_ >= 0) close(life_fd_);
  int status = 0;
  if (guard_ > 0 && waitpid(guard_, &status, 0) == guard_ && status != 0) {
    fprintf(stderr, "could not put vm.nr_hugepages back\n");
  }
}

}  // namespace uarena::bench
