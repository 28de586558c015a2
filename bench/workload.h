// SPDX-License-Identifier: Apache-2.0
//
// A workload: what is done to a subject's memory and timed. The same work for every subject.
#ifndef UARENA_BENCH_WORKLOAD_H_
#define UARENA_BENCH_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/samples.h"
#include "bench/subject.h"

namespace uarena::bench {

class Workload {
 public:
  virtual ~Workload() = default;

  // As in the JSON.
  virtual std::string name() const = 0;
  // For people.
  virtual std::string title() const = 0;
  // How many samples a repetition gives.
  virtual uint64_t pages() const = 0;
  virtual Need need() const = 0;

  // One repetition: maps memory of `subject`, measures, checks the contents, unmaps. Repetitions
  // with different seeds write different words. An error is a failure, a wrong byte included.
  virtual absl::Status Run(Subject& subject, uint64_t seed, Samples* samples,
                           std::optional<FaultCounts>* counts) = 0;
};

// The workloads called `names`, in the order of the report; no names: all. For `pages` pages where
// a workload can have as many. InvalidArgument if there is none of a name.
absl::StatusOr<std::vector<std::unique_ptr<Workload>>> MakeWorkloads(
    const std::vector<std::string>& names, uint64_t pages, size_t page_size);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_WORKLOAD_H_
