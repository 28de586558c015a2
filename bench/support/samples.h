// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_SAMPLES_H_
#define UARENA_BENCH_SUPPORT_SAMPLES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/support/shared_memory.h"

namespace uarena::bench {

// What one repetition found out: nanoseconds, each of one unit of work, and pages that did not hold
// what they should. In memory that forked children share; several processes may add at once.
class Samples {
 public:
  explicit Samples(size_t capacity);

  // Before each repetition.
  void Clear();

  // What exceeds the capacity is dropped.
  void Append(std::span<const uint32_t> nanoseconds);
  void AddWrongPages(uint64_t count) { header_->wrong_pages += count; }

  std::span<uint32_t> nanoseconds();
  uint64_t wrong_pages() const { return header_->wrong_pages; }

 private:
  struct Header {
    std::atomic<uint64_t> count;
    std::atomic<uint64_t> wrong_pages;
  };
  const size_t capacity_;
  SharedMemory memory_;
  Header* const header_;
  uint32_t* const values_;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_SAMPLES_H_
