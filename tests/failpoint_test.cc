// SPDX-License-Identifier: Apache-2.0
//
// Processes are stopped at named points, three at a time, each in the middle of another call on the
// same few pages; then, in any order, they are killed or go on. Whoever waits for a stopped one
// hangs here, and whatever two of them both think theirs breaks an invariant. Needs a build with
// UARENA_FAILPOINTS.
#include "os/failpoint.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"
#include "tests/support/stopping.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

#if !defined(UARENA_FAILPOINTS)

TEST(FailpointTest, NeedsAnotherBuild) {
  GTEST_SKIP() << "built without UARENA_FAILPOINTS; the presets asan and tsan have them";
}

#else

using testing::End;
using testing::EndInAnyOrder;
using testing::Fork;
using testing::StopAt;
using testing::Watch;
using testing::WatchUntilStopped;

constexpr uint64_t kPages = 64;
constexpr const char* kPoints[] = {
    "transaction.publish", "transaction.published", "transaction.apply", "claim.untagged",
    "claim.tagged",        "allocate.mapped",       "allocate.filled",   "reserve.filled",
    "touch.mapped",        "settle.seen",           "convert.seen",      "convert.swapped",
    "undo.draining",       "free.claimed",          "free.draining",     "free.punched",
    "free.inserted",       "recover.operation",     "fault.start",       "take.noted",
    "take.claimed",        "take.counted",          "take.filled",       "keep.draining",
    "keep.zeroed",         "keep.counted",          "keep.noted",        "join.locked",
    "join.attached",       "leave.attached",        "leave.locked"};

class FailpointTest : public ::testing::TestWithParam<FaultMode> {
 protected:
  void NewArena() {
    ArenaOptions options;
    options.max_pages = kPages;
    options.fault_mode = GetParam();
    arena_ = std::make_unique<Arena>(std::move(Arena::Create(options)).value());
  }
  char* Page(uint64_t page) {
    return static_cast<char*>(arena_->base()) + page * arena_->page_size();
  }
  void Touch(uint64_t first, uint64_t count, bool write) {
    for (uint64_t page = first; page < std::min(first + count, kPages); ++page) {
      volatile char* byte = Page(page);
      if (write) {
        *byte = 1;
      } else {
        static_cast<void>(*byte);
      }
    }
  }

  // Free, allocated, reserved, touched and populated-ahead pages, close together.
  void Prepare(uint32_t variant) {
    Touch(16, 24, false);
    if ((variant & 1) != 0) Touch(35, 1, true);
    arena_->AllocPages(Page(3), 5).status().IgnoreError();
    arena_->ReservePages(Page(8), 4).IgnoreError();
    if ((variant & 2) != 0) arena_->AllocPages(Page(38), 8).status().IgnoreError();
  }

  // One call. What it answers depends on what the others are doing and is not the question here.
  int Act(uint32_t call, uint32_t place, uint32_t count) {
    const uint64_t page = place * 4;
    switch (call) {
      case 0:
        arena_->AllocPages(nullptr, count).status().IgnoreError();
        break;
      case 1:
        arena_->AllocPages(Page(page), count).status().IgnoreError();
        break;
      case 2:
        arena_->FreePages(Page(page), count * 3).IgnoreError();
        break;
      case 3:
        arena_->FreePages(Page(0), kPages).IgnoreError();
        break;
      case 4:
        arena_->ReservePages(Page(page), count).IgnoreError();
        break;
      case 5:
        Touch(page, count, true);
        break;
      case 6:
        Touch(0, 44, true);
        break;
      case 7:
        arena_->Stats().status().IgnoreError();
        break;
      case 8:
        arena_->AllocPages(nullptr, 20 + count).status().IgnoreError();
        break;
      case 9:
        arena_->Populate(Page(page), count * arena_->page_size()).IgnoreError();
        break;
      case 10:
      case 11: {  // frees what it allocated, which it keeps, and takes some of that again
        absl::StatusOr<void*> pages = arena_->AllocPages(nullptr, count);
        if (!pages.ok()) break;
        arena_->FreePages(*pages, count).IgnoreError();
        pages = arena_->AllocPages(nullptr, (count + 1) / 2);
        if (pages.ok()) *static_cast<char*>(*pages) = 1;
        arena_->FreePages(Page(page), 1).IgnoreError();
        break;
      }
      case 12: {  // keeps some pages, detaches, and attaches anew
        absl::StatusOr<void*> pages = arena_->AllocPages(nullptr, count);
        if (pages.ok()) arena_->FreePages(*pages, count).IgnoreError();
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return 1;
        if (!arena_->Send(pair[0]).ok()) return 1;
        arena_.reset();
        ArenaOptions options;
        options.fault_mode = GetParam();
        absl::StatusOr<Arena> again = Arena::Receive(pair[1], options);
        if (!again.ok()) return 1;
        arena_ = std::make_unique<Arena>(*std::move(again));
        Touch(page, count, true);
        break;
      }
      default:
        arena_->SetRoot("root", Page(page)).IgnoreError();
    }
    return 0;
  }
  static constexpr uint32_t kCalls = 14;

  std::unique_ptr<Arena> arena_;
};

TEST_P(FailpointTest, ThreeProcessesStoppedAnywhere) {
#if defined(__SANITIZE_THREAD__)
  if (GetParam() == FaultMode::kThread) {
    GTEST_SKIP() << "ThreadSanitizer does not know threads that a forked child starts";
  }
#endif
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  for (int round = 0; round < 300; ++round) {
    NewArena();
    Prepare(random());
    std::string story = absl::StrCat("round ", round);
    std::vector<pid_t> stopped;
    for (int actor = 0; actor < 3; ++actor) {
      const uint32_t call = random() % kCalls;
      const uint32_t place = random() % 12;
      const uint32_t count = random() % 8 + 1;
      const char* point = kPoints[random() % std::size(kPoints)];
      const int passes = random() % 3 == 0 ? static_cast<int>(random() % 6) : 0;
      const pid_t child = Fork([&] {
        StopAt(point, passes);
        return Act(call, place, count);
      });
      absl::StrAppend(&story, "; call ", call, "(", place, ", ", count, ") to ", point, "/",
                      passes);
      ASSERT_NO_FATAL_FAILURE(WatchUntilStopped(child, story, &stopped));
    }
    ASSERT_NO_FATAL_FAILURE(EndInAnyOrder(stopped, 3, *arena_, random, &story));
    ASSERT_TRUE(arena_->Recover().ok()) << story;
    ASSERT_EQ(arena_->CheckInvariants(), absl::OkStatus()) << story;
    arena_->FreePages(arena_->base(), kPages).IgnoreError();
    ASSERT_EQ(arena_->CheckInvariants(), absl::OkStatus()) << story;
    const ArenaStats stats = *arena_->Stats();
    ASSERT_EQ(stats.free_pages, kPages) << story;
    ASSERT_EQ(stats.populated_pages, stats.kept_pages) << story;
    const absl::StatusOr<void*> all = arena_->AllocPages(nullptr, kPages);
    ASSERT_TRUE(all.ok()) << story << ": " << all.status();
    const std::vector<char> zeros(kPages * arena_->page_size());
    ASSERT_EQ(memcmp(*all, zeros.data(), zeros.size()), 0) << story;
  }
}

// Between two looks of a process that wants a kept page, its keeper takes the page, writes, and
// keeps it again, under the same operation number: the page must not be taken for a touched one.
TEST_P(FailpointTest, KeptPageTakenAndKeptAgainIsNotATouchedOne) {
  NewArena();
  void* page = arena_->AllocPages(nullptr, 1).value();
  ASSERT_TRUE(arena_->FreePages(page, 1).ok());
  if (arena_->Stats()->kept_pages == 0) GTEST_SKIP() << "nothing is kept in this mode";
  testing::Shared<std::atomic<bool> > allocated;
  const pid_t child = Fork([&] {
    g_failpoint_hook.store([](const char* name) {
      if (strcmp(name, "settle.seen") == 0 || strcmp(name, "convert.seen") == 0) {
        kill(getpid(), SIGSTOP);
      }
    });
    allocated->store(arena_->AllocPages(page, 1).ok());
    return 0;
  });
  ASSERT_EQ(Watch(child, true), End::kStopped);
  ASSERT_EQ(arena_->AllocPages(nullptr, 1).value(), page);
  *static_cast<char*>(page) = 1;
  kill(child, SIGCONT);
  ASSERT_EQ(Watch(child, true), End::kStopped);
  ASSERT_TRUE(arena_->FreePages(page, 1).ok());
  kill(child, SIGCONT);
  End end = Watch(child, true);
  while (end == End::kStopped) {
    kill(child, SIGCONT);
    end = Watch(child, true);
  }
  ASSERT_EQ(end, End::kExited);
  EXPECT_TRUE(allocated->load()) << "a page without an owner was not given";
  ASSERT_TRUE(arena_->Recover().ok());
  EXPECT_EQ(arena_->CheckInvariants(), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(Modes, FailpointTest, testing::EmbeddedModes(), testing::ModeName);

#endif

}  // namespace
}  // namespace uarena
