// SPDX-License-Identifier: Apache-2.0
//
// A forked child has a working copy of every arena, whichever of the two ends first.
#include <unistd.h>

#include <thread>

#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::EmbeddedModes;
using testing::Fork;
using testing::ModeName;
using testing::Wait;

class ForkTest : public ::testing::TestWithParam<FaultMode> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    if (GetParam() == FaultMode::kThread) {
      GTEST_SKIP() << "ThreadSanitizer does not know threads that a forked child starts";
    }
#endif
    ArenaOptions options;
    options.max_pages = 10'000;
    options.fault_mode = GetParam();
    arena_ = std::make_unique<Arena>(std::move(Arena::Create(options)).value());
  }
  char* Page(uint64_t page) {
    return static_cast<char*>(arena_->base()) + page * arena_->page_size();
  }
  std::unique_ptr<Arena> arena_;
};

TEST_P(ForkTest, ChildFaultsAllocatesAndIsCounted) {
  *Page(1) = 1;
  const pid_t child = Fork([&] {
    if (*Page(1) != 1 || arena_->fault_mode() != GetParam()) return 1;
    for (uint64_t page = 1000; page < 2000; ++page) *Page(page) = 2;  // holes
    if (!arena_->AllocPages(nullptr, 10).ok()) return 2;
    if (arena_->Stats()->processes != 2) return 3;
    return 0;
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(*Page(1999), 2);
  EXPECT_EQ(arena_->Recover().value(), 1);  // it left by _exit
  EXPECT_EQ(arena_->Stats()->allocated_pages, 1011u);
  EXPECT_EQ(arena_->Stats()->processes, 1u);
  EXPECT_EQ(arena_->CheckInvariants(), absl::OkStatus());
}

TEST_P(ForkTest, ParentDetachesFirst) {
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = Fork([&] {
    close(go[1]);
    char byte;
    if (read(go[0], &byte, 1) != 0) return 1;  // until the parent has let go
    for (uint64_t page = 0; page < 3000; ++page) *Page(page) = 3;
    const auto pages = arena_->AllocPages(nullptr, 5);
    if (!pages.ok() || !arena_->FreePages(*pages, 5).ok()) return 2;
    if (arena_->Stats()->allocated_pages != 3000) return 3;
    if (!arena_->CheckInvariants().ok()) return 4;
    arena_.reset();
    return 0;
  });
  close(go[0]);
  arena_.reset();
  close(go[1]);
  EXPECT_EQ(Wait(child), 0);
}

TEST_P(ForkTest, GrandchildrenAndConcurrentForks) {
  std::atomic<bool> stop{false};
  // The parent's threads fault while it forks. (Only once they run: AddressSanitizer does not
  // survive a fork in the middle of a thread's start.)
  std::atomic<bool> running{false};
  std::thread toucher([&] {
    running.store(true);
    for (uint64_t page = 5000; !stop.load(); page = page < 9000 ? page + 1 : 5000) *Page(page) = 1;
  });
  while (!running.load()) std::this_thread::yield();
  for (int round = 0; round < 30; ++round) {
    const pid_t child = Fork([&] {
      *Page(static_cast<uint64_t>(round)) = 1;
      const pid_t grandchild = Fork([&] {
        *Page(static_cast<uint64_t>(round) + 100) = 2;
        return 0;
      });
      return Wait(grandchild);
    });
    ASSERT_EQ(Wait(child), 0) << round;
    ASSERT_EQ(*Page(static_cast<uint64_t>(round)), 1);
    ASSERT_EQ(*Page(static_cast<uint64_t>(round) + 100), 2);
  }
  stop.store(true);
  toucher.join();
  ASSERT_TRUE(arena_->Recover().ok());
  EXPECT_EQ(arena_->CheckInvariants(), absl::OkStatus());
}

TEST_P(ForkTest, ExecDetaches) {
  const pid_t child = Fork([&] {
    execl("/bin/sleep", "sleep", "2", nullptr);
    return 1;
  });
  // The slot is given up at exec, not at the end of the new program.
  for (int i = 0; i < 1000 && arena_->Stats()->processes != 1; ++i) usleep(1000);
  EXPECT_EQ(arena_->Stats()->processes, 1u);
  kill(child, SIGKILL);
  Wait(child);
}

INSTANTIATE_TEST_SUITE_P(Modes, ForkTest, EmbeddedModes(), ModeName);

}  // namespace
}  // namespace uarena
