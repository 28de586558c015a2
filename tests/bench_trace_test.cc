// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's trace: a heap that is blamed for a bad free must not have been asked for one, and
// BUILD.md says what the trace is made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "bench/objects/trace.h"

namespace uarena::bench {
namespace {

constexpr uint64_t kAllocations = 200'000;

TEST(BenchTraceTest, AllocatesIntoEmptySlotsAndFreesWhatIsThere) {
  const Trace trace = MakeTrace(kAllocations);
  std::vector<uint32_t> sizes(trace.slots, 0);
  uint64_t live = 0;
  uint64_t peak = 0;
  for (const TraceOperation& operation : trace.operations) {
    ASSERT_LT(operation.slot, trace.slots);
    ASSERT_GE(operation.size, 16U);
    ASSERT_LE(operation.size, 256U << 10);
    ASSERT_EQ(sizes[operation.slot], operation.frees != 0 ? operation.size : 0);
    sizes[operation.slot] = operation.frees != 0 ? 0 : operation.size;
    live += operation.frees != 0 ? -uint64_t{operation.size} : operation.size;
    peak = std::max(peak, live);
  }
  EXPECT_EQ(sizes, trace.live_sizes);
  EXPECT_EQ(live, trace.live_bytes);
  EXPECT_EQ(peak, trace.peak_bytes);
}

TEST(BenchTraceTest, IsAlwaysTheSame) {
  const Trace one = MakeTrace(kAllocations);
  const Trace other = MakeTrace(kAllocations);
  ASSERT_EQ(one.operations.size(), other.operations.size());
  EXPECT_TRUE(std::equal(one.operations.begin(), one.operations.end(), other.operations.begin(),
                         [](const TraceOperation& a, const TraceOperation& b) {
                           return a.slot == b.slot && a.size == b.size && a.frees == b.frees;
                         }));
}

TEST(BenchTraceTest, MixtureIsWhatItIsSaidToBe) {
  const Trace trace = MakeTrace(kAllocations);
  std::map<uint32_t, double> up_to = {{256, 0}, {4096, 0}, {32768, 0}, {262144, 0}};
  uint64_t allocations = 0;
  for (const TraceOperation& operation : trace.operations) {
    if (operation.frees != 0) continue;
    ++allocations;
    up_to.lower_bound(operation.size)->second += 1;
  }
  EXPECT_GE(allocations, kAllocations);
  EXPECT_LE(allocations, kAllocations + kLongestRequest);
  const auto all = static_cast<double>(allocations);
  EXPECT_NEAR(up_to[256] / all, 0.854, 0.01);
  EXPECT_NEAR(up_to[4096] / all, 0.136, 0.01);
  EXPECT_NEAR(up_to[32768] / all, 0.0095, 0.001);
  EXPECT_NEAR(up_to[262144] / all, 0.0005, 0.0003);
}

}  // namespace
}  // namespace uarena::bench
