// SPDX-License-Identifier: Apache-2.0
#include "os/syscall.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "os/fd.h"
#include "os/uffd_abi.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

namespace uarena::sys {
namespace {

// Runs `call` and turns its errno into a result, leaving errno as it was: our callers may be signal
// handlers that interrupted somebody between a call and the look at its errno.
template <typename Call>
int64_t Quietly(Call call) {
  const int saved = errno;
  int64_t result = call();
  if (result < 0) result = -errno;
  errno = saved;
  return result;
}

}  // namespace

int MemfdCreate(const char* name, bool huge_2mib) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_2mib) flags |= MFD_HUGETLB | MFD_HUGE_2MB;
  return Quietly([&] { return memfd_create(name, flags); });
}

int Ftruncate(int fd, uint64_t size) {
  // Beyond the limit the kernel would send SIGXFSZ, which kills.
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      size > limit.rlim_cur) {
    return -EFBIG;
  }
  return Quietly([&] { return ftruncate(fd, static_cast<off_t>(size)); });
}

int AddSeals(int fd, int seals) {
  return Quietly([&] { return fcntl(fd, F_ADD_SEALS, seals); });
}

int GetSeals(int fd) {
  return Quietly([&] { return fcntl(fd, F_GET_SEALS); });
}

int Fallocate(int fd, uint64_t offset, uint64_t length) {
  int result;
  do {
    result = Quietly(
        [&] { return fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(length)); });
  } while (result == -EINTR);
  return result;
}

int PunchHole(int fd, uint64_t offset, uint64_t length) {
  int result;
  do {
    result = Quietly([&] {
      return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
    });
  } while (result == -EINTR);
  return result;
}

int64_t SeekData(int fd, uint64_t offset) {
  return Quietly([&] { return lseek(fd, static_cast<off_t>(offset), SEEK_DATA); });
}

int64_t SeekHole(int fd, uint64_t offset) {
  return Quietly([&] { return lseek(fd, static_cast<off_t>(offset), SEEK_HOLE); });
}

int OpenReadOnly(const char* path) {
  return Quietly([&] { return open(path, O_RDONLY | O_CLOEXEC); });
}

int64_t Pread(int fd, void* buffer, size_t length, uint64_t offset) {
  return Quietly([&] { return pread(fd, buffer, length, static_cast<off_t>(offset)); });
}

intptr_t Mmap(void* addr, size_t length, int prot, int flags, int fd, uint64_t offset) {
  return Quietly([&] {
    return reinterpret_cast<intptr_t>(
        mmap(addr, length, prot, flags, fd, static_cast<off_t>(offset)));
  });
}

int Munmap(void* addr, size_t length) {
  return Quietly([&] { return munmap(addr, length); });
}

int MadvisePopulateWrite(void* addr, size_t length) {
  return Quietly([&] { return madvise(addr, length, MADV_POPULATE_WRITE); });
}

namespace {
constexpr unsigned long kPolicyBits = sizeof(MemoryPolicy::nodes) * 8;
}  // namespace

int GetMemoryPolicy(MemoryPolicy* policy) {
  return Quietly([&] {
    return syscall(SYS_get_mempolicy, &policy->mode, policy->nodes, kPolicyBits, nullptr, 0);
  });
}

int SetMemoryPolicy(const MemoryPolicy& policy) {
  return Quietly(
      [&] { return syscall(SYS_set_mempolicy, policy.mode, policy.nodes, kPolicyBits); });
}

int PreferNode(int node) {
  if (node < 0 || node >= static_cast<int>(kPolicyBits)) return -EINVAL;
  MemoryPolicy policy;
  policy.mode = MPOL_PREFERRED;
  policy.nodes[node / 64] = 1UL << (node % 64);
  return SetMemoryPolicy(policy);
}

namespace {

int OpenUffd(int flags) {
  // The device node gives a full uffd to whoever may open it; otherwise the system call decides.
  UniqueFd device(Quietly([] { return open("/dev/userfaultfd", O_RDWR | O_CLOEXEC); }));
  if (device.valid()) {
    const int fd = Quietly([&] { return ioctl(device.get(), USERFAULTFD_IOC_NEW, flags); });
    if (fd >= 0) return fd;
  }
  return Quietly([&] { return syscall(SYS_userfaultfd, flags); });
}

}  // namespace

int Userfaultfd(uint64_t features, bool* kernel_faults) {
  constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;
  int fd = *kernel_faults ? OpenUffd(kFlags) : -EPERM;
  if (fd == -EPERM) {
    *kernel_faults = false;
    fd = Quietly([] { return syscall(SYS_userfaultfd, kFlags | UFFD_USER_MODE_ONLY); });
  }
  if (fd < 0) return fd;
  uffdio_api api{UFFD_API, features, 0};
  const int result = Quietly([&] { return ioctl(fd, UFFDIO_API, &api); });
  if (result < 0) {
    close(fd);
    return result;
  }
  return fd;
}

int UffdFeatures(uint64_t* features) {
  int fd = Quietly([] { return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY); });
  if (fd < 0) return fd;
  uffdio_api api{UFFD_API, 0, 0};
  const int result = Quietly([&] { return ioctl(fd, UFFDIO_API, &api); });
  close(fd);
  *features = api.features;
  return result;
}

int UffdRegisterMissing(int uffd, uint64_t start, uint64_t length) {
  uffdio_register reg{{start, length}, UFFDIO_REGISTER_MODE_MISSING, 0};
  return Quietly([&] { return ioctl(uffd, UFFDIO_REGISTER, &reg); });
}

namespace {

// The kernel reports a partial result as EAGAIN with the bytes done, which may also be a negated
// errno, in a field of the argument.
int64_t Progress(int64_t result, int64_t done) {
  if (result >= 0 || done > 0) return done;
  return result;
}

}  // namespace

int64_t UffdZeropage(int uffd, uint64_t start, uint64_t length) {
  uffdio_zeropage arg{{start, length}, 0, 0};
  const int64_t result = Quietly([&] { return ioctl(uffd, UFFDIO_ZEROPAGE, &arg); });
  return Progress(result, arg.zeropage);
}

int64_t UffdContinue(int uffd, uint64_t start, uint64_t length) {
  uffdio_continue arg{{start, length}, 0, 0};
  const int64_t result = Quietly([&] { return ioctl(uffd, UFFDIO_CONTINUE, &arg); });
  return Progress(result, arg.mapped);
}

int UffdWake(int uffd, uint64_t start, uint64_t length) {
  uffdio_range range{start, length};
  return Quietly([&] { return ioctl(uffd, UFFDIO_WAKE, &range); });
}

namespace {

struct flock ByteAt(uint64_t offset, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = 1;
  return lock;
}

}  // namespace

int LockByte(int fd, uint64_t offset) {
  struct flock lock = ByteAt(offset, F_WRLCK);
  return Quietly([&] { return fcntl(fd, F_OFD_SETLK, &lock); });
}

int UnlockByte(int fd, uint64_t offset) {
  struct flock lock = ByteAt(offset, F_UNLCK);
  return Quietly([&] { return fcntl(fd, F_OFD_SETLK, &lock); });
}

int ByteLocked(int fd, uint64_t offset) {
  struct flock lock = ByteAt(offset, F_WRLCK);
  const int result = Quietly([&] { return fcntl(fd, F_OFD_GETLK, &lock); });
  if (result < 0) return result;
  return lock.l_type == F_UNLCK ? 0 : 1;
}

namespace {

struct FdPath {
  explicit FdPath(int fd) { snprintf(text, sizeof(text), "/proc/self/fd/%d", fd); }
  char text[32];
};

}  // namespace

int Reopen(int fd) {
  const FdPath path(fd);
  return Quietly([&] { return open(path.text, O_RDWR | O_CLOEXEC); });
}

int ReopenReadOnly(int fd) {
  const FdPath path(fd);
  return Quietly([&] { return open(path.text, O_RDONLY | O_CLOEXEC); });
}

int Identify(int fd, FileIdentity* identity) {
  struct stat status {};
  const int result = Quietly([&] { return fstat(fd, &status); });
  if (result < 0) return result;
  identity->device = status.st_dev;
  identity->inode = status.st_ino;
  identity->bytes = static_cast<uint64_t>(status.st_size);
  identity->owner_uid = status.st_uid;
  return 0;
}

int DescribeFd(int fd, char* text, size_t bytes) {
  const FdPath path(fd);
  const int64_t length = Quietly([&] { return readlink(path.text, text, bytes - 1); });
  if (length < 0) return static_cast<int>(length);
  text[length] = '\0';
  return 0;
}

int QueueSignal(int tid, int signal, siginfo_t* info) {
  return Quietly([&] { return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signal, info); });
}

int GetTid() { return static_cast<int>(syscall(SYS_gettid)); }

int FutexWait(const void* word, uint32_t expected, uint64_t timeout_ns) {
  const timespec timeout = {static_cast<time_t>(timeout_ns / 1'000'000'000),
                            static_cast<long>(timeout_ns % 1'000'000'000)};
  return Quietly(
      [&] { return syscall(SYS_futex, word, FUTEX_WAIT, expected, &timeout, nullptr, 0); });
}

int FutexWake(const void* word, int count) {
  return Quietly([&] { return syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0); });
}

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace uarena::sys
