// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's arithmetic: people choose by these numbers, and a wrong one looks like any other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bench/results/ratios.h"
#include "bench/results/row.h"
#include "bench/results/statistics.h"

namespace uarena::bench {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Row MakeRow(const std::string& workload, const std::string& subject,
            const std::vector<uint32_t>& repetitions) {
  Row row;
  row.workload = workload;
  row.subject = subject;
  for (uint32_t ns : repetitions) row.AddRepetition({&ns, 1}, 1, {{"rss_kib", ns / 2.0}});
  return row;
}

const Ratio& Get(const std::vector<Ratio>& ratios, const std::string& key) {
  return *std::find_if(ratios.begin(), ratios.end(),
                       [&](const Ratio& ratio) { return ratio.key == key; });
}

TEST(BenchResultsTest, SamplesAreDividedByTheirPages) {
  std::vector<uint32_t> samples = {40, 10, 30, 20};
  const Summary summary = Summarize(samples, 10);
  EXPECT_EQ(summary.mean, 2.5);
  EXPECT_EQ(summary.p50, 2);
  EXPECT_EQ(summary.p99, 4);
  EXPECT_EQ(summary.min, 1);
  EXPECT_EQ(summary.max, 4);
}

TEST(BenchResultsTest, RepetitionsGiveMediansAndExtremes) {
  const Row row = MakeRow("w", "s", {30, 10, 50});
  EXPECT_EQ(row.summary.mean, 30);
  EXPECT_EQ(row.summary.min, 10);
  EXPECT_EQ(row.summary.max, 50);
  EXPECT_EQ(row.counters.at("rss_kib"), 15);
  EXPECT_EQ(MeanRange(row.repetitions).low, 10);
  EXPECT_EQ(MeanRange(row.repetitions).high, 50);
}

TEST(BenchResultsTest, DistributionEndsAtAllSamples) {
  Distribution distribution;
  const std::vector<uint32_t> samples = {0, 1, 1024, 4294967295};
  distribution.Add(samples);
  EXPECT_THAT(distribution.Cumulative(),
              ElementsAre(Pair(1, 0.5), Pair(1024, 0.75), Pair(DoubleNear(4294967296, 1), 1)));
}

TEST(BenchResultsTest, RatioIsOfMediansWithTheRangeOfPairs) {
  const auto ratios = ComputeRatios({MakeRow("seq_first_touch", "mine", {10, 20, 30}),
                                     MakeRow("seq_first_touch", "memfd", {40, 40, 20})},
                                    "mine");
  const Ratio& ratio = Get(ratios, "seq_first_touch/memfd");
  EXPECT_EQ(ratio.value, 0.5);
  EXPECT_EQ(ratio.range.low, 0.25);
  EXPECT_EQ(ratio.range.high, 1.5);
  EXPECT_EQ(ratio.missing, "");
}

TEST(BenchResultsTest, RateOfTwoProcessesIsOneOverTheirTime) {
  const auto ratios = ComputeRatios(
      {MakeRow("alloc_1proc", "mine", {100}), MakeRow("alloc_2procs", "mine", {50})}, "mine");
  EXPECT_EQ(Get(ratios, "alloc_2procs/alloc_1proc").value, 2);
}

TEST(BenchResultsTest, AbsoluteNumbersHaveTheirUnits) {
  const auto ratios = ComputeRatios({MakeRow("open_1TiB", "mine", {300'000})}, "mine");
  EXPECT_EQ(Get(ratios, "open_1TiB_us").value, 300);
  EXPECT_EQ(Get(ratios, "open_1TiB_rss_kib").value, 150'000);
}

TEST(BenchResultsTest, OverheadIsOfBytes) {
  Row row;
  row.workload = "heap_mixed";
  row.subject = "uarena_heap";
  for (const double overhead : {1.5, 1.25, 2.0}) {
    uint32_t ns = 100;
    row.AddRepetition({&ns, 1}, 1, {{"used_per_asked", overhead}});
  }
  const auto ratios = ComputeRatios({std::move(row)}, "mine");
  const Ratio& ratio = Get(ratios, "heap_overhead");
  EXPECT_EQ(ratio.value, 1.5);
  EXPECT_EQ(ratio.range.low, 1.25);
  EXPECT_EQ(ratio.range.high, 2.0);
}

TEST(BenchResultsTest, WhatWasNotMeasuredHasAReason) {
  Row skipped = MakeRow("seq_first_touch", "memfd", {});
  skipped.skipped = "no such thing";
  const auto ratios =
      ComputeRatios({MakeRow("seq_first_touch", "mine", {10}), std::move(skipped)}, "mine");
  EXPECT_EQ(Get(ratios, "seq_first_touch/memfd").value, std::nullopt);
  EXPECT_THAT(Get(ratios, "seq_first_touch/memfd").missing, HasSubstr("no such thing"));
  EXPECT_THAT(Get(ratios, "churn_1/bpf_arena").missing, HasSubstr("churn_1 of mine"));
}

}  // namespace
}  // namespace uarena::bench
