// SPDX-License-Identifier: Apache-2.0
//
// Every raw system call of the library. Each returns its result, or -errno; none sets errno, since
// they run in signal handlers. Conversion to absl::Status happens once, in os/status.h.
#ifndef UARENA_OS_SYSCALL_H_
#define UARENA_OS_SYSCALL_H_

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace uarena::sys {

// memfd_create; `huge_2mib` asks for 2 MiB hugetlb pages.
int MemfdCreate(const char* name, bool huge_2mib);
int Ftruncate(int fd, uint64_t size);
int AddSeals(int fd, int seals);
int GetSeals(int fd);

// Makes the range's pages exist (fallocate without changing the size).
int Fallocate(int fd, uint64_t offset, uint64_t length);
// Removes the range's pages from the file and from every process's mappings.
int PunchHole(int fd, uint64_t offset, uint64_t length);
// The offset of the first data / hole at or after `offset`, or -ENXIO.
int64_t SeekData(int fd, uint64_t offset);
int64_t SeekHole(int fd, uint64_t offset);

int OpenReadOnly(const char* path);
int64_t Pread(int fd, void* buffer, size_t length, uint64_t offset);

// mmap; returns the address or -errno as a small negative number (use IsError).
intptr_t Mmap(void* addr, size_t length, int prot, int flags, int fd, uint64_t offset);
int Munmap(void* addr, size_t length);
int MadvisePopulateWrite(void* addr, size_t length);
// The calling thread's memory policy, for a while: prefers `node`. Restoring needs what Get
// returned.
struct MemoryPolicy {
  int mode = 0;
  unsigned long nodes[16] = {};
};
int GetMemoryPolicy(MemoryPolicy* policy);
int SetMemoryPolicy(const MemoryPolicy& policy);
int PreferNode(int node);

// A userfaultfd with the given features. `kernel_faults`: in, whether one is wanted that sees the
// faults of system calls too; out, whether it does. If that is not permitted, one for user mode
// only.
int Userfaultfd(uint64_t features, bool* kernel_faults);
int UffdFeatures(uint64_t* features);
int UffdRegisterMissing(int uffd, uint64_t start, uint64_t length);
// Bytes done (possibly fewer than `length`), or -errno when none was.
int64_t UffdZeropage(int uffd, uint64_t start, uint64_t length);
int64_t UffdContinue(int uffd, uint64_t start, uint64_t length);
int UffdWake(int uffd, uint64_t start, uint64_t length);

// An open-file-description lock on one byte. Set: 0 or -EAGAIN when somebody has it.
int LockByte(int fd, uint64_t offset);
int UnlockByte(int fd, uint64_t offset);
// 1 if another open file description holds the byte, 0 if not.
int ByteLocked(int fd, uint64_t offset);
// A new open file description of the same file.
int Reopen(int fd);
int ReopenReadOnly(int fd);

// What a descriptor is open on. Blocks if that is a file of a blocking file system.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  uint32_t owner_uid = 0;
};
int Identify(int fd, FileIdentity* identity);
// What it is called: "anon_inode:[userfaultfd]". Never blocks.
int DescribeFd(int fd, char* text, size_t bytes);

// Queues `signal` to thread `tid` of this process with the given siginfo.
int QueueSignal(int tid, int signal, siginfo_t* info);
int GetTid();

// Sleeps while the 32 bits at `word`, in memory that processes share, are `expected`: 0 if woken,
// -ETIMEDOUT, -EAGAIN (something else is there), -EINTR, -EFAULT.
int FutexWait(const void* word, uint32_t expected, uint64_t timeout_ns);
// How many it woke, at most `count`.
int FutexWake(const void* word, int count);

// Nanoseconds of CLOCK_MONOTONIC.
uint64_t NowNs();

}  // namespace uarena::sys

#endif  // UARENA_OS_SYSCALL_H_
