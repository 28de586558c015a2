// SPDX-License-Identifier: Apache-2.0
//
// Whether who serves faults should look for the next one rather than sleep. Waking a sleeper up
// costs more than most faults, so looking pays while faults come one after the other, and only
// then.
//
// Example: a fault arrives 20 µs after the last was served; so after this one it is worth looking
// for another 100 µs. None comes; the next gap is longer than that, so there is no looking until a
// fault comes soon after another again.
#ifndef UARENA_FAULT_SPIN_H_
#define UARENA_FAULT_SPIN_H_

#include <cstdint>

namespace uarena {

// Pure: told the time, in nanoseconds. Belongs to one thread.
class SpinPolicy {
 public:
  // Faults arrived at one time and were served at another.
  void Served(uint64_t arrived, uint64_t now) {
    gap_ = arrived - idle_since_;
    idle_since_ = now;
  }
  bool KeepLooking(uint64_t now) const { return gap_ < kSoonNs && now - idle_since_ < kSoonNs; }

 private:
  static constexpr uint64_t kSoonNs = 100'000;  // twice what waking up takes at its worst
  uint64_t gap_ = kSoonNs;
  uint64_t idle_since_ = 0;
};

}  // namespace uarena

#endif  // UARENA_FAULT_SPIN_H_
