// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_OBJECTS_CONTENDER_H_
#define UARENA_BENCH_OBJECTS_CONTENDER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace uarena::bench {

// A subject that is timed in slices, by turns with others that do the same, so that a busy moment
// of the machine happens to all of them: for differences of a few per cent.
class Contender {
 public:
  virtual ~Contender() = default;

  // As in --subjects and in the JSON.
  virtual std::string name() const = 0;

  // Not OK if this machine or build cannot do it: the message is the reason to skip it.
  virtual absl::Status CheckAvailable() { return absl::OkStatus(); }

  // Before a repetition and after it, untimed.
  virtual absl::Status SetUp(uint64_t seed) = 0;
  virtual void TearDown() = 0;

  // Timed: slice number `slice` of a repetition. Says how many of its results were wrong.
  virtual uint64_t RunSlice(uint64_t slice) = 0;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_OBJECTS_CONTENDER_H_
