// SPDX-License-Identifier: Apache-2.0
//
// The measuring loop and the memory that it writes its results to.
#ifndef UARENA_BENCH_SAMPLES_H_
#define UARENA_BENCH_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace uarena::bench {

// Nanoseconds by page touched, in memory that forked children share.
class Samples {
 public:
  explicit Samples(size_t capacity);
  ~Samples();
  Samples(const Samples&) = delete;
  Samples& operator=(const Samples&) = delete;

  // Touches the pages of `order` one after the other, then reads all of them back. Each sample is
  // the time from one clock reading to the next, so it includes one reading (see ClockCostNs), and
  // the sum of all samples is the time that the loop took.
  void Measure(char* base, size_t page_size, std::span<const uint64_t> order, uint64_t seed,
               bool prior);

  // Of the last Measure.
  std::span<uint32_t> nanoseconds() { return {values_, header_->count}; }
  uint64_t wrong_pages() const { return header_->wrong_pages; }

  // Before a Measure that may happen in another process or not at all.
  void Clear();

 private:
  struct Header {
    uint64_t count;
    uint64_t wrong_pages;
  };
  const size_t bytes_;
  Header* header_ = nullptr;
  uint32_t* values_ = nullptr;
};

// What one reading of the clock costs, in nanoseconds; the median of many.
double ClockCostNs();

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SAMPLES_H_
