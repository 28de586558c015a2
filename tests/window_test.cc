// SPDX-License-Identifier: Apache-2.0
//
// The pure parts of fault handling: how far to populate, and what a batch of messages asks for.
#include "fault/window.h"

#include <cstdint>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "fault/plan.h"
#include "gtest/gtest.h"

namespace uarena {
namespace {

// Plays touches through the policy; returns what each fault populated.
class Player {
 public:
  explicit Player(uint32_t max_pages) : max_pages_(max_pages) {}
  void Touch(uint64_t page) {
    touched_.insert(page);
    if (populated_.count(page) != 0) return;
    const WindowChoice choice = streams_.Choose(page, max_pages_);
    for (uint64_t i = 0; i < choice.pages; ++i) populated_.insert(page + i);
    streams_.Done(choice, page, choice.pages);
    windows.push_back(choice.pages);
  }
  double Ratio() const { return static_cast<double>(populated_.size()) / touched_.size(); }
  std::vector<uint64_t> windows;

 private:
  const uint32_t max_pages_;
  Streams streams_;
  std::set<uint64_t> touched_;
  std::set<uint64_t> populated_;
};

TEST(WindowTest, DoublesOnSequentialTouching) {
  Player player(8);
  for (uint64_t page = 0; page < 40; ++page) player.Touch(page);
  EXPECT_EQ(player.windows, (std::vector<uint64_t>{1, 1, 1, 2, 4, 8, 8, 8, 8}));
}

TEST(WindowTest, ReachesTwoMebibytes) {
  Player player(512);
  for (uint64_t page = 0; page < 8192; ++page) player.Touch(page);
  EXPECT_EQ(player.windows.back(), 512u);
  EXPECT_LT(player.windows.size(), 30u);
}

TEST(WindowTest, PageByPageIfToldSo) {
  Player player(1);
  for (uint64_t page = 0; page < 100; ++page) player.Touch(page);
  EXPECT_EQ(player.windows, std::vector<uint64_t>(100, 1));
}

TEST(WindowTest, SeveralStreamsAtOnce) {
  Player player(512);
  for (uint64_t i = 0; i < 4096; ++i) {
    for (uint64_t stream = 0; stream < 6; ++stream) player.Touch(stream * 1'000'000 + i);
  }
  EXPECT_EQ(player.windows.back(), 512u);
  EXPECT_LT(player.windows.size(), 6 * 25u);
}

TEST(WindowTest, PairsAreNotSequential) {
  Player player(512);
  for (uint64_t i = 0; i < 1000; ++i) {
    player.Touch(i * 10'000);
    player.Touch(i * 10'000 + 1);
  }
  EXPECT_EQ(player.Ratio(), 1.0);
}

TEST(WindowTest, ScatteredTouchesStayWithinTheBound) {
  for (const uint64_t arena_pages : {uint64_t{1} << 16, uint64_t{1} << 20, uint64_t{1} << 28}) {
    Player player(512);
    std::mt19937_64 random(arena_pages);
    for (int i = 0; i < 20'000; ++i) player.Touch(random() % arena_pages);
    EXPECT_LE(player.Ratio(), 1.25) << arena_pages;
  }
}

TEST(WindowTest, ShuffledTouchesOfAllPages) {
  std::vector<uint64_t> pages(100'000);
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), std::mt19937_64(3));
  Player player(512);
  for (size_t i = 0; i < pages.size(); ++i) {
    player.Touch(pages[i]);
    if (i % 1000 == 999) {
      ASSERT_LE(player.Ratio(), 1.25) << i;
    }
  }
}

TEST(PlanTest, SortsRemovesDuplicatesCoalesces) {
  std::vector<uint64_t> pages{7, 3, 4, 3, 9, 8, 20};
  std::vector<PageRange> ranges(pages.size());
  ranges.resize(PlanRanges(pages, ranges));
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[0].first, 3u);
  EXPECT_EQ(ranges[0].count, 2u);
  EXPECT_EQ(ranges[1].first, 7u);
  EXPECT_EQ(ranges[1].count, 3u);
  EXPECT_EQ(ranges[2].first, 20u);
  EXPECT_EQ(ranges[2].count, 1u);
}

TEST(PlanTest, OnePageManyTimesAndNothing) {
  std::vector<uint64_t> pages(8, 5);
  std::vector<PageRange> ranges(8);
  EXPECT_EQ(PlanRanges(pages, ranges), 1u);
  EXPECT_EQ(ranges[0].count, 1u);
  EXPECT_EQ(PlanRanges({}, ranges), 0u);
}

}  // namespace
}  // namespace uarena
