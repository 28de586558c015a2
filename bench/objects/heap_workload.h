// SPDX-License-Identifier: Apache-2.0
//
// What is done to a heap and timed. The same work, in the same order, for every subject.
#ifndef UARENA_BENCH_OBJECTS_HEAP_WORKLOAD_H_
#define UARENA_BENCH_OBJECTS_HEAP_WORKLOAD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "bench/objects/heap_subject.h"
#include "bench/support/counters.h"
#include "bench/support/samples.h"

namespace uarena::bench {

class HeapWorkload {
 public:
  // `name` as in the JSON, `title` for people; samples of `units_per_sample` units each, at most
  // `max_samples` in a repetition.
  HeapWorkload(std::string name, std::string title, uint64_t units_per_sample, uint64_t max_samples)
      : name_(std::move(name)),
        title_(std::move(title)),
        units_per_sample_(units_per_sample),
        max_samples_(max_samples) {}
  virtual ~HeapWorkload() = default;
  HeapWorkload(const HeapWorkload&) = delete;
  HeapWorkload& operator=(const HeapWorkload&) = delete;

  const std::string& name() const { return name_; }
  const std::string& title() const { return title_; }
  uint64_t units_per_sample() const { return units_per_sample_; }
  uint64_t max_samples() const { return max_samples_; }

  virtual HeapNeed need() const = 0;

  // One repetition, on a heap made for it. An error is a failure, a wrong byte included.
  absl::Status Run(HeapSubject& subject, Samples* samples, Counters* counters);

 protected:
  // Adds samples, and to the wrong pages the blocks that did not hold what they should. Works in
  // forked children, so that this process' own heap stays as it was.
  virtual absl::Status Measure(BenchHeap& heap, Samples* samples, Counters* counters) = 0;

 private:
  const std::string name_;
  const std::string title_;
  const uint64_t units_per_sample_;
  const uint64_t max_samples_;
};

// Some hundred live blocks, of which one at random is freed and another allocated in its place, by
// each of `processes` processes with blocks of its own. All start together and end as soon as one
// has done `pairs` pairs. A sample is a batch of one process, its time divided by the number of
// processes: the mean of all samples is then the time that passes for each pair of any process.
std::unique_ptr<HeapWorkload> HeapPairs(std::string name, std::string title, int processes,
                                        uint64_t pairs);

// The trace of trace.h, of about `allocations` allocations. Replayed once untimed, so that every
// heap has the memory that it wants to keep, then again. Counters, of the blocks that are live at
// the end: "asked_bytes", "used_bytes" (BenchHeap::UsedBytes) and the latter divided by the former,
// "used_per_asked".
std::unique_ptr<HeapWorkload> HeapTrace(std::string name, std::string title, uint64_t allocations);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_HEAP_WORKLOAD_H_
