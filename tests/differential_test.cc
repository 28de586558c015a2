// SPDX-License-Identifier: Apache-2.0
//
// The same random sequence of calls and touches is driven against an arena of ours and one of the
// running kernel's; every answer must be the same.
//
// With one page a fault, nothing but the mechanism differs, so even the places that
// AllocPages(nullptr, …) chooses must agree. With faults that populate ahead, untouched neighbours
// are kept out of allocations, so places may differ: there the kernel is asked for the very pages
// that we chose, and must give them.
#include <setjmp.h>
#include <signal.h>

#include <cstdint>
#include <ostream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/kernel_arena.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::KernelArena;

struct Case {
  const char* name;
  uint64_t max_pages;
  bool segv_on_fault;
  bool ahead;
  uint64_t seed;
};

// GoogleTest would print the bytes, of which some are padding.
void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

constexpr int kSteps = 12'000;

sigjmp_buf g_escape;
void OnSegv(int) { siglongjmp(g_escape, 1); }

// Reads the page's first word and, if told to, writes another. False: SIGSEGV.
bool Touch(void* page, bool write, uint64_t value, uint64_t* seen) {
  if (sigsetjmp(g_escape, 1) != 0) return false;
  auto* word = static_cast<volatile uint64_t*>(page);
  *seen = *word;
  if (write) *word = value;
  return true;
}

class DifferentialTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    struct sigaction action {};
    action.sa_handler = OnSegv;
    sigaction(SIGSEGV, &action, &previous_);
  }
  void TearDown() override { sigaction(SIGSEGV, &previous_, nullptr); }

 private:
  struct sigaction previous_ {};
};

TEST_P(DifferentialTest, AnswersAsTheKernel) {
  const Case& test = GetParam();
  absl::StatusOr<KernelArena> kernel =
      KernelArena::Create(static_cast<uint32_t>(test.max_pages), test.segv_on_fault);
  if (KernelArena::IsUnavailable(kernel.status())) GTEST_SKIP() << kernel.status();
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  ArenaOptions options;
  options.max_pages = test.max_pages;
  options.segv_on_fault = test.segv_on_fault;
  options.max_populate_pages = test.ahead ? 0 : 1;
  absl::StatusOr<Arena> ours = Arena::Create(options);
  ASSERT_TRUE(ours.ok()) << ours.status();
  const uint64_t page_size = ours->page_size();
  auto our_page = [&](uint64_t page) {
    return static_cast<char*>(ours->base()) + page * page_size;
  };
  auto kernel_page = [&](uint64_t page) { return kernel->base() + page * page_size; };
  constexpr int64_t kNone = -1;
  auto our_number = [&](const absl::StatusOr<void*>& pages) {
    return pages.ok() ? (static_cast<char*>(*pages) - our_page(0)) / static_cast<int64_t>(page_size)
                      : kNone;
  };
  auto kernel_number = [&](void* pages) {
    return pages == nullptr
               ? kNone
               : (static_cast<char*>(pages) - kernel_page(0)) / static_cast<int64_t>(page_size);
  };

  std::mt19937_64 random(test.seed);
  auto below = [&](uint64_t bound) { return random() % bound; };
  // Most of the work happens among few pages, so that ranges meet; the rest anywhere.
  const uint64_t crowd = std::min<uint64_t>(test.max_pages, 200);
  auto some_page = [&] { return below(10) == 0 ? below(test.max_pages) : below(crowd); };
  auto some_count = [&] { return below(20) == 0 ? below(crowd) + 1 : below(8) + 1; };
  int succeeded[5] = {};

  for (int step = 0; step < kSteps; ++step) {
    SCOPED_TRACE(absl::StrCat("seed ", test.seed, " step ", step));
    // Touches `count` pages from `page` on; in order, so that faults begin to populate ahead.
    auto touch = [&](uint64_t page, uint64_t count) {
      for (; count > 0 && page < test.max_pages; --count, ++page) {
        // A page that was populated ahead counts as touched by what is in it, so there every touch
        // leaves something.
        const bool write = test.ahead || below(3) != 0;
        const uint64_t value = random() | 1;
        uint64_t mine = 0;
        uint64_t theirs = 0;
        const bool our_answer = Touch(our_page(page), write, value, &mine);
        const bool kernel_answer = Touch(kernel_page(page), write, value, &theirs);
        ASSERT_EQ(our_answer, kernel_answer) << "touch " << page;
        if (!our_answer) continue;
        ASSERT_EQ(mine, theirs) << "contents of page " << page;
        ++succeeded[4];
      }
    };
    switch (below(10)) {
      case 0:
      case 1: {  // anywhere
        const uint64_t count = some_count();
        const int64_t mine = our_number(ours->AllocPages(nullptr, count));
        void* const wanted = test.ahead && mine != kNone ? kernel_page(mine) : nullptr;
        const int64_t theirs =
            kernel_number(kernel->AllocPages(wanted, static_cast<uint32_t>(count), -1, 0));
        ASSERT_EQ(mine, theirs) << "alloc anywhere, count " << count;
        succeeded[0] += mine != kNone;
        break;
      }
      case 2: {  // here
        const uint64_t page = some_page();
        const uint64_t count = some_count();
        const int64_t mine = our_number(ours->AllocPages(our_page(page), count));
        const int64_t theirs = kernel_number(
            kernel->AllocPages(kernel_page(page), static_cast<uint32_t>(count), -1, 0));
        ASSERT_EQ(mine, theirs) << "alloc at " << page << ", count " << count;
        succeeded[1] += mine != kNone;
        break;
      }
      case 3:
      case 4: {  // free; unaligned and past the end as well
        const uint64_t page = some_page();
        const uint64_t count = some_count();
        const uint64_t offset = below(4) == 0 ? 17 : 0;
        succeeded[2] += ours->FreePages(our_page(page) + offset, count).ok();
        kernel->FreePages(kernel_page(page) + offset, static_cast<uint32_t>(count));
        break;
      }
      case 5: {
        if (!kernel->has_reserve()) break;
        const uint64_t page = some_page();
        const uint64_t count = some_count();
        const absl::Status mine = ours->ReservePages(our_page(page), count);
        const int theirs = kernel->ReservePages(kernel_page(page), static_cast<uint32_t>(count));
        ASSERT_EQ(mine.ok(), theirs == 0) << "reserve " << page << " " << count << " " << mine;
        succeeded[3] += mine.ok();
        break;
      }
      case 6:
        touch(some_page(), below(40));
        break;
      default:
        touch(some_page(), 1);
    }
    if (HasFatalFailure()) return;
  }
  const absl::Status invariants = ours->CheckInvariants();
  EXPECT_TRUE(invariants.ok()) << invariants;
  // The sequence must have been worth running.
  for (const int count : succeeded) EXPECT_GT(count, kSteps / 400);
}

INSTANTIATE_TEST_SUITE_P(Arenas, DifferentialTest,
                         ::testing::Values(Case{"Pages64", 64, false, false, 1},
                                           Case{"Pages64Segv", 64, true, false, 2},
                                           Case{"Pages1000", 1000, false, false, 3},
                                           Case{"Pages1000Segv", 1000, true, false, 4},
                                           Case{"GiB4", 1 << 20, false, false, 5},
                                           Case{"GiB4Segv", 1 << 20, true, false, 6},
                                           Case{"GiB4Another", 1 << 20, false, false, 7},
                                           Case{"Pages1000Ahead", 1000, false, true, 8},
                                           Case{"GiB4Ahead", 1 << 20, false, true, 9},
                                           Case{"Pages2", 2, false, false, 10},
                                           Case{"Pages1", 1, false, false, 11}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace uarena
