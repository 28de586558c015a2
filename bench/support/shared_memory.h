// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_SHARED_MEMORY_H_
#define UARENA_BENCH_SUPPORT_SHARED_MEMORY_H_

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace uarena::bench {

// Zeroed memory that forked children share; theirs is one and the same.
class SharedMemory {
 public:
  explicit SharedMemory(size_t bytes)
      : base_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
        bytes_(bytes) {
    if (base_ != MAP_FAILED) return;
    perror("mapping memory to share with children");
    abort();
  }
  ~SharedMemory() { munmap(base_, bytes_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* base() const { return base_; }

 private:
  void* const base_;
  const size_t bytes_;
};

// One T in such memory. T is trivially destructible: nobody knows which process is the last.
template <typename T>
class Shared {
 public:
  Shared() : memory_(sizeof(T)), value_(new (memory_.base()) T()) {}
  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  SharedMemory memory_;
  T* const value_;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_SHARED_MEMORY_H_
