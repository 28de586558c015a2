// SPDX-License-Identifier: Apache-2.0
//
// A workload: what is done to a subject's memory and timed. The same work for every subject.
#ifndef UARENA_BENCH_WORKLOADS_WORKLOAD_H_
#define UARENA_BENCH_WORKLOADS_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "bench/subjects/subject.h"
#include "bench/support/samples.h"

namespace uarena::bench {

class Workload {
 public:
  // `name` as in the JSON, `title` for people; samples of `pages_per_sample` pages each, at most
  // `max_samples` in a repetition.
  Workload(std::string name, std::string title, uint64_t pages_per_sample, uint64_t max_samples)
      : name_(std::move(name)),
        title_(std::move(title)),
        pages_per_sample_(pages_per_sample),
        max_samples_(max_samples) {}
  virtual ~Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  const std::string& name() const { return name_; }
  const std::string& title() const { return title_; }
  uint64_t pages_per_sample() const { return pages_per_sample_; }
  uint64_t max_samples() const { return max_samples_; }

  virtual Need need() const = 0;

  // One repetition: maps memory of `subject`, measures, checks the contents, unmaps. Repetitions
  // with different seeds write different words. An error is a failure, a wrong byte included.
  absl::Status Run(Subject& subject, uint64_t seed, Samples* samples, Counters* counters);

 protected:
  // Adds samples, and the pages that did not hold what they should.
  virtual absl::Status MapAndMeasure(Subject& subject, uint64_t seed, Samples* samples,
                                     Counters* counters) = 0;

 private:
  const std::string name_;
  const std::string title_;
  const uint64_t pages_per_sample_;
  const uint64_t max_samples_;
};

// A workload on memory that this process maps.
class MappedWorkload : public Workload {
 public:
  using Workload::Workload;

 protected:
  absl::Status MapAndMeasure(Subject& subject, uint64_t seed, Samples* samples,
                             Counters* counters) final;
  virtual absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) = 0;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOADS_WORKLOAD_H_
