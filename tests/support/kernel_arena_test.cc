// SPDX-License-Identifier: Apache-2.0
//
// The kernel's behaviour as uarena imitates it. A failure here means that the harness is broken or
// that this kernel differs from the ones uarena was compared with, not that uarena is wrong.

#include "tests/support/kernel_arena.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iostream>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace uarena::testing {
namespace {

constexpr int kAnyNode = -1;
constexpr uint32_t kPages = 1024;

class KernelArenaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<KernelArena> arena = KernelArena::Create(kPages, /*segv_on_fault=*/false);
    if (KernelArena::IsUnavailable(arena.status())) GTEST_SKIP() << arena.status();
    ASSERT_TRUE(arena.ok()) << arena.status();
    arena_.emplace(*std::move(arena));
  }

  // The address of page `index` of the arena.
  char* Page(size_t index) const { return arena_->base() + index * page_size_; }

  void* Alloc(void* addr, uint32_t count) { return arena_->AllocPages(addr, count, kAnyNode, 0); }

  const size_t page_size_ = sysconf(_SC_PAGESIZE);
  std::optional<KernelArena> arena_;
};

TEST_F(KernelArenaTest, MapsTheWholeArena) {
  EXPECT_NE(arena_->base(), nullptr);
  EXPECT_EQ(arena_->size(), kPages * page_size_);
}

TEST_F(KernelArenaTest, FirstAllocationsAreSequential) {
  EXPECT_EQ(Alloc(nullptr, 1), Page(0));
  EXPECT_EQ(Alloc(nullptr, 1), Page(1));
  EXPECT_EQ(Alloc(nullptr, 16), Page(2));
  EXPECT_EQ(Alloc(nullptr, 1), Page(18));
}

TEST_F(KernelArenaTest, AllocatesAtAnExactAddress) {
  EXPECT_EQ(Alloc(Page(100), 4), Page(100));
  EXPECT_EQ(Alloc(Page(kPages - 1), 1), Page(kPages - 1));
}

TEST_F(KernelArenaTest, RefusesABusyRange) {
  ASSERT_EQ(Alloc(Page(100), 4), Page(100));
  EXPECT_EQ(Alloc(Page(100), 4), nullptr);
  EXPECT_EQ(Alloc(Page(98), 3), nullptr) << "one page overlaps at the end";
  EXPECT_EQ(Alloc(Page(103), 3), nullptr) << "one page overlaps at the start";
  EXPECT_EQ(Alloc(Page(98), 2), Page(98));
  arena_->FreePages(Page(100), 4);
  EXPECT_EQ(Alloc(Page(100), 4), Page(100));
}

TEST_F(KernelArenaTest, RefusesWrongArguments) {
  EXPECT_EQ(Alloc(nullptr, 0), nullptr);
  EXPECT_EQ(Alloc(nullptr, kPages + 1), nullptr);
  EXPECT_EQ(Alloc(Page(1) + 8, 1), nullptr) << "unaligned";
  EXPECT_EQ(Alloc(Page(kPages), 1), nullptr) << "just past the end";
  EXPECT_EQ(Alloc(Page(kPages - 1), 2), nullptr) << "runs past the end";
  EXPECT_EQ(arena_->AllocPages(nullptr, 1, kAnyNode, /*flags=*/1), nullptr);
  EXPECT_EQ(arena_->AllocPages(nullptr, 1, /*node=*/100000, 0), nullptr);
  EXPECT_EQ(Alloc(nullptr, kPages), Page(0)) << "none of these may have taken a page";
  EXPECT_EQ(Alloc(nullptr, 1), nullptr) << "the arena is full";
}

TEST_F(KernelArenaTest, AllocatedPagesAreZeroAndFreedOnesAreZeroAgain) {
  char* const pages = static_cast<char*>(Alloc(nullptr, 4));
  ASSERT_NE(pages, nullptr);
  for (size_t i = 0; i < 4 * page_size_; ++i) ASSERT_EQ(pages[i], 0) << "at " << i;
  memset(pages, 0x5a, 4 * page_size_);
  arena_->FreePages(pages, 4);
  for (size_t i = 0; i < 4 * page_size_; ++i) ASSERT_EQ(pages[i], 0) << "at " << i;
  // Touching them has allocated them, one by one.
  EXPECT_EQ(Alloc(pages, 4), nullptr);
}

TEST_F(KernelArenaTest, ATouchAllocatesThePage) {
  Page(7)[0] = 1;
  EXPECT_EQ(Alloc(Page(7), 1), nullptr);
  EXPECT_EQ(Alloc(Page(6), 1), Page(6));
  EXPECT_EQ(Alloc(Page(8), 1), Page(8));
}

TEST_F(KernelArenaTest, FreeRoundsDownAndAcceptsFreePages) {
  ASSERT_EQ(Alloc(Page(10), 1), Page(10));
  arena_->FreePages(Page(10) + 123, 1);
  EXPECT_EQ(Alloc(Page(10), 1), Page(10));
  arena_->FreePages(Page(8), 8);
  EXPECT_EQ(Alloc(Page(8), 8), Page(8));
  ASSERT_EQ(Alloc(Page(kPages - 1), 1), Page(kPages - 1));
  arena_->FreePages(Page(kPages - 1), 50);  // clamped at the end of the arena
  EXPECT_EQ(Alloc(Page(kPages - 1), 1), Page(kPages - 1));
}

TEST_F(KernelArenaTest, Reserve) {
  if (!arena_->has_reserve()) {
    EXPECT_EQ(arena_->ReservePages(Page(0), 1), -ENOSYS);
    GTEST_SKIP() << "this kernel does not have bpf_arena_reserve_pages";
  }
  EXPECT_EQ(arena_->ReservePages(Page(0), 4), 0);
  EXPECT_EQ(arena_->ReservePages(Page(3), 2), -EBUSY);
  EXPECT_EQ(arena_->ReservePages(Page(kPages - 1), 2), -EINVAL);
  EXPECT_EQ(arena_->ReservePages(Page(kPages), 1), -EINVAL);
  EXPECT_EQ(arena_->ReservePages(Page(0), 0), 0);

  // The allocator keeps away, whether told where to go or not.
  EXPECT_EQ(Alloc(Page(2), 1), nullptr);
  EXPECT_EQ(Alloc(nullptr, 1), Page(4));
  EXPECT_EQ(arena_->ReservePages(Page(4), 1), -EBUSY);

  arena_->FreePages(Page(0), 4);
  EXPECT_EQ(Alloc(Page(0), 4), Page(0));
}

TEST_F(KernelArenaTest, ReservingAnUnalignedAddressSucceedsAndDoesNothing) {
  if (!arena_->has_reserve()) GTEST_SKIP() << "this kernel has no bpf_arena_reserve_pages";
  EXPECT_EQ(arena_->ReservePages(Page(20) + 8, 2), 0);
  EXPECT_EQ(arena_->ReservePages(Page(2 * kPages) + 8, 2), 0) << "not even the range is checked";
  EXPECT_EQ(Alloc(Page(20), 3), Page(20));
}

TEST_F(KernelArenaTest, OnlyTheLow32BitsOfAnAddressCount) {
  char* const far = Page(100) + (uint64_t{1} << 32);
  EXPECT_EQ(Alloc(far, 1), Page(100));
  EXPECT_EQ(Alloc(Page(100), 1), nullptr);
  arena_->FreePages(far, 1);
  EXPECT_EQ(Alloc(Page(100), 1), Page(100));
}

TEST_F(KernelArenaTest, KeepsTheRequestedAddress) {
  const uint64_t taken = reinterpret_cast<uintptr_t>(arena_->base());
  absl::StatusOr<KernelArena> occupied = KernelArena::Create(kPages, false, taken);
  EXPECT_TRUE(absl::IsAlreadyExists(occupied.status())) << occupied.status();
  // Where neither the kernel nor a sanitizer puts anything by itself.
#if defined(__SANITIZE_THREAD__)
  constexpr uint64_t kAddress = 0x0060'0000'0000;
#else
  constexpr uint64_t kAddress = 0x5a00'0000'0000;
#endif
  absl::StatusOr<KernelArena> arena = KernelArena::Create(kPages, false, kAddress);
  ASSERT_TRUE(arena.ok()) << arena.status();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->base()), kAddress);
  EXPECT_EQ(arena->AllocPages(nullptr, 1, kAnyNode, 0), arena->base());
}

TEST_F(KernelArenaTest, WrongArgumentsOfCreateAreNotTakenForALackOfSupport) {
  EXPECT_TRUE(absl::IsInvalidArgument(KernelArena::Create(0, false).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(KernelArena::Create(1, false, 0x100000001).status()));
  const absl::Status crosses = KernelArena::Create(2, false, 0x200000000 - page_size_).status();
  EXPECT_TRUE(absl::IsOutOfRange(crosses)) << crosses;
  const absl::Status too_big = KernelArena::Create(UINT32_MAX, false).status();
  EXPECT_FALSE(too_big.ok());
  EXPECT_FALSE(KernelArena::IsUnavailable(too_big)) << too_big;
}

TEST_F(KernelArenaTest, MovesOwnership) {
  char* const base = arena_->base();
  KernelArena moved(*std::move(arena_));
  arena_.reset();
  EXPECT_EQ(moved.base(), base);
  EXPECT_EQ(moved.AllocPages(nullptr, 1, kAnyNode, 0), base);
}

// Touches two pages of a new arena, the first of them allocated; exits with 0 if it survives. To
// be run in a child, which has to make the arena itself because fork() does not copy the mapping.
void TouchTwoPages(bool segv_on_fault) {
  signal(SIGSEGV, SIG_DFL);  // a sanitizer would turn the signal into an exit
  absl::StatusOr<KernelArena> arena = KernelArena::Create(2, segv_on_fault);
  if (!arena.ok()) _exit(2);
  char* const page = static_cast<char*>(arena->AllocPages(nullptr, 1, kAnyNode, 0));
  if (page != arena->base()) _exit(3);
  *static_cast<volatile char*>(page) = 1;
  std::cerr << "touched the allocated page" << std::endl;
  *static_cast<volatile char*>(page + sysconf(_SC_PAGESIZE)) = 1;
  _exit(0);
}

using KernelArenaDeathTest = KernelArenaTest;

TEST_F(KernelArenaDeathTest, SegvOnFaultKillsWhoTouchesAMissingPage) {
  EXPECT_EXIT(TouchTwoPages(true), ::testing::KilledBySignal(SIGSEGV), "touched the allocated");
}

TEST_F(KernelArenaDeathTest, WithoutTheFlagAMissingPageIsMade) {
  EXPECT_EXIT(TouchTwoPages(false), ::testing::ExitedWithCode(0), "touched the allocated");
}

TEST_F(KernelArenaTest, AllocManyKeepsThePages) {
  void* first = nullptr;
  absl::StatusOr<uint64_t> ns = arena_->AllocManyNs(4, 10, &first);
  ASSERT_TRUE(ns.ok()) << ns.status();
  EXPECT_GT(*ns, 0u);
  EXPECT_EQ(first, Page(0));
  EXPECT_EQ(Alloc(nullptr, 1), Page(40));
  EXPECT_TRUE(absl::IsResourceExhausted(arena_->AllocManyNs(kPages, 1, nullptr).status()));
}

TEST_F(KernelArenaTest, TimingsArePlausible) {
  for (const uint32_t pages : {1U, 16U, 512U}) {
    const uint32_t iterations = 4096 / pages;
    absl::StatusOr<KernelArena> arena = KernelArena::Create(pages * iterations, false);
    ASSERT_TRUE(arena.ok()) << arena.status();
    absl::StatusOr<uint64_t> churn_ns = arena->ChurnNs(pages, iterations);
    ASSERT_TRUE(churn_ns.ok()) << churn_ns.status();
    // Everything was freed, or this would not fit.
    absl::StatusOr<uint64_t> alloc_ns = arena->AllocManyNs(pages, iterations, nullptr);
    ASSERT_TRUE(alloc_ns.ok()) << alloc_ns.status();

    const double per_page = 1.0 / pages / iterations;
    std::cout << pages << " pages a call: alloc " << *alloc_ns * per_page << ", alloc and free "
              << *churn_ns * per_page << " ns a page" << std::endl;
    // Zeroing a page takes longer than 10 ns on any machine; a millisecond would be absurd even
    // under an emulator.
    EXPECT_GT(*alloc_ns * per_page, 10);
    EXPECT_GT(*churn_ns * per_page, 10);
    EXPECT_LT(*alloc_ns * per_page, 1e6);
    EXPECT_LT(*churn_ns * per_page, 1e6);
  }
}

TEST_F(KernelArenaTest, RunsLoopsOfAnyLength) {
  absl::StatusOr<uint64_t> ns = arena_->ChurnNs(kPages, 300);  // more than one program run
  ASSERT_TRUE(ns.ok()) << ns.status();
  EXPECT_EQ(*arena_->ChurnNs(1, 0), 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(arena_->ChurnNs(0, 1).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(arena_->ChurnNs(kPages + 1, 1).status()));
}

}  // namespace
}  // namespace uarena::testing
