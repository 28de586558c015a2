// SPDX-License-Identifier: Apache-2.0
//
// Freed pages that a process keeps: what others see of them is what they see of any free page.
#include "pages/kept_pages.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Wait;

TEST(RefillTest, DoublesUpToALimit) {
  constexpr uint64_t kSmall = 1000;
  EXPECT_EQ(RefillPages(0, 1, 0, kSmall), 0u);
  EXPECT_EQ(RefillPages(0, 1, 1, kSmall), 1u);
  EXPECT_EQ(RefillPages(0, 1, 2, kSmall), 2u);
  EXPECT_EQ(RefillPages(0, 1, 7, kSmall), 64u);
  EXPECT_EQ(RefillPages(0, 1, 60, kSmall), 64u);
  EXPECT_EQ(RefillPages(0, 12, 1, kSmall), 12u);  // whole allocations' worth
  EXPECT_EQ(RefillPages(0, 12, 5, kSmall), 60u);
  EXPECT_EQ(RefillPages(0, 64, 3, kSmall), 64u);
  EXPECT_EQ(RefillPages(0, 65, 3, kSmall), 0u);  // such an allocation is a batch by itself
}

TEST(RefillTest, EndsWithACacheLineOfStates) {
  EXPECT_EQ(RefillPages(0, 1, 0, 1 << 20), 31u);
  EXPECT_EQ(RefillPages(40, 1, 0, 1 << 20), 23u);
  EXPECT_EQ(RefillPages(31, 1, 0, 1 << 20), 0u);
  EXPECT_EQ(RefillPages(32, 1, 7, 1 << 20), 95u);
  EXPECT_EQ(RefillPages(5, 65, 7, 1 << 20), 0u);
}

class KeptPagesTest : public ::testing::TestWithParam<FaultMode> {
 protected:
  Arena Make(uint64_t pages, uint64_t keep_freed_bytes = 4 << 20) {
    ArenaOptions options;
    options.max_pages = pages;
    options.fault_mode = GetParam();
    options.keep_freed_bytes = keep_freed_bytes;
    return std::move(Arena::Create(options)).value();
  }
  static char* Page(const Arena& arena, uint64_t page) {
    return static_cast<char*>(arena.base()) + page * arena.page_size();
  }
  static bool IsZero(const char* pages, size_t bytes) {
    return std::all_of(pages, pages + bytes, [](char byte) { return byte == 0; });
  }
};

TEST_P(KeptPagesTest, FreedPagesAreReusedAndZero) {
  Arena arena = Make(64);
  char* const pages = static_cast<char*>(*arena.AllocPages(nullptr, 16));
  memset(pages, 7, 16 * arena.page_size());
  ASSERT_TRUE(arena.FreePages(pages, 16).ok());
  EXPECT_EQ(arena.Stats()->kept_pages, 16u);
  EXPECT_EQ(arena.Stats()->free_pages, 64u);
  EXPECT_EQ(arena.Stats()->allocated_pages, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  EXPECT_TRUE(IsZero(pages, 16 * arena.page_size()));
  EXPECT_TRUE(absl::IsFailedPrecondition(arena.FreePages(pages, 16))) << "a double free";
  EXPECT_EQ(*arena.AllocPages(nullptr, 4), pages);
  EXPECT_EQ(arena.Stats()->kept_pages, 12u);
  EXPECT_EQ(arena.Stats()->allocated_pages, 4u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(KeptPagesTest, NoMoreThanTheLimitIsKept) {
  Arena arena = Make(64, 8 * 4096);
  char* const pages = static_cast<char*>(*arena.AllocPages(nullptr, 12));
  ASSERT_TRUE(arena.FreePages(pages, 12).ok());
  EXPECT_EQ(arena.Stats()->populated_pages, 0u);
  Arena halves = Make(64, 8 * 4096);
  char* const twelve = static_cast<char*>(*halves.AllocPages(nullptr, 12));
  ASSERT_TRUE(halves.FreePages(twelve, 6).ok());
  ASSERT_TRUE(halves.FreePages(twelve + 6 * halves.page_size(), 6).ok());
  EXPECT_EQ(halves.Stats()->kept_pages, 6u);
  EXPECT_EQ(halves.Stats()->populated_pages, 6u);
  Arena strict = Make(64, 0);
  char* const freed = static_cast<char*>(*strict.AllocPages(nullptr, 3));
  ASSERT_TRUE(strict.FreePages(freed, 3).ok());
  EXPECT_EQ(strict.Stats()->populated_pages, 0u);
}

TEST_P(KeptPagesTest, ATouchAllocates) {
  Arena arena = Make(64);
  char* const pages = static_cast<char*>(*arena.AllocPages(nullptr, 8));
  ASSERT_TRUE(arena.FreePages(pages, 8).ok());
  pages[3 * arena.page_size()] = 1;
  // The page is its toucher's now: nobody else gets it, and nothing is lost.
  const absl::StatusOr<void*> others = arena.AllocPages(nullptr, 63);
  EXPECT_FALSE(others.ok());
  for (int i = 0; i < 63; ++i) {
    const absl::StatusOr<void*> page = arena.AllocPages(nullptr, 1);
    ASSERT_TRUE(page.ok()) << i << ": " << page.status();
    EXPECT_NE(*page, pages + 3 * arena.page_size());
    EXPECT_TRUE(IsZero(static_cast<char*>(*page), arena.page_size()));
  }
  EXPECT_EQ(pages[3 * arena.page_size()], 1);
  EXPECT_EQ(arena.Stats()->allocated_pages, 64u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(KeptPagesTest, OthersMayTakeThemByAddressOrReserveThem) {
  Arena arena = Make(64);
  char* const pages = static_cast<char*>(*arena.AllocPages(nullptr, 8));
  ASSERT_TRUE(arena.FreePages(pages, 8).ok());
  const pid_t child = Fork([&] {
    const bool took = arena.AllocPages(pages, 1).ok();
    return took && arena.ReservePages(pages + 7 * arena.page_size(), 1).ok() ? 0 : 1;
  });
  ASSERT_EQ(Wait(child), 0);
  // What was kept is not whole any more; every other page serves all the same.
  ASSERT_TRUE(arena.AllocPages(nullptr, 6).ok());
  for (int i = 0; i < 56; ++i) ASSERT_TRUE(arena.AllocPages(nullptr, 1).ok()) << i;
  EXPECT_FALSE(arena.AllocPages(nullptr, 1).ok());
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(KeptPagesTest, WhatADeadProcessKeptIsFree) {
  Arena arena = Make(64);
  const pid_t child = Fork([&] {
    char* const pages = static_cast<char*>(*arena.AllocPages(nullptr, 64));
    return arena.FreePages(pages, 64).ok() ? 0 : 1;
  });
  ASSERT_EQ(Wait(child), 0);
  EXPECT_EQ(arena.Stats()->kept_pages, 64u);
  EXPECT_EQ(*arena.Recover(), 1);
  EXPECT_EQ(arena.Stats()->kept_pages, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  const absl::StatusOr<void*> all = arena.AllocPages(nullptr, 64);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(IsZero(static_cast<char*>(*all), 64 * arena.page_size()));
}

TEST_P(KeptPagesTest, ExactArenasKeepNothing) {
  ArenaOptions options;
  options.max_pages = 64;
  options.fault_mode = GetParam();
  options.max_populate_pages = 1;
  Arena arena = std::move(Arena::Create(options)).value();
  char* const pages = static_cast<char*>(*arena.AllocPages(nullptr, 8));
  ASSERT_TRUE(arena.FreePages(pages, 8).ok());
  EXPECT_EQ(arena.Stats()->populated_pages, 0u);
}

INSTANTIATE_TEST_SUITE_P(Modes, KeptPagesTest, testing::EmbeddedModes(), testing::ModeName);

}  // namespace
}  // namespace uarena
