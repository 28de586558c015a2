// SPDX-License-Identifier: Apache-2.0
//
// What happens when something runs out: memory, quota, huge pages, address space.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Fork;
using ::testing::HasSubstr;
using testing::Wait;

Arena Make(uint64_t max_pages) {
  ArenaOptions options;
  options.max_pages = max_pages;
  absl::StatusOr<Arena> arena = Arena::Create(options);
  EXPECT_TRUE(arena.ok()) << arena.status();
  return *std::move(arena);
}

char* Page(const Arena& arena, uint64_t page) {
  return static_cast<char*>(arena.base()) + page * arena.page_size();
}

TEST(ArenaLimitsTest, MoreThanTheMachineHas) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer leaves no room for it";
#endif
  Arena arena = Make(uint64_t{1} << 27);  // 512 GiB
  const absl::Status status = arena.AllocPages(nullptr, uint64_t{1} << 27).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(arena.Stats()->populated_pages, 0u);
  EXPECT_EQ(arena.Stats()->free_pages, uint64_t{1} << 27);
}

TEST(ArenaLimitsTest, Quota) {
  ArenaOptions options;
  options.max_pages = 1000;
  options.quota_pages = 100;
  Arena arena = *Arena::Create(options);
  ASSERT_TRUE(arena.AllocPages(nullptr, 60).ok());
  const absl::Status status = arena.AllocPages(nullptr, 41).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(status.ToString(), HasSubstr("quota of 100"));
  ASSERT_TRUE(arena.AllocPages(nullptr, 40).ok());
  EXPECT_EXIT(*Page(arena, 500) = 1, ::testing::KilledBySignal(SIGSEGV), "");
}

// A memory cgroup of the test's own, which only root can make.
class MemoryCgroup {
 public:
  explicit MemoryCgroup(uint64_t limit) {
    for (const char* root : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"}) {
      path_ = absl::StrCat(root, "/uarena-test-", getpid());
      const bool first_version = strstr(root, "memory") != nullptr;
      if (mkdir(path_.c_str(), 0755) != 0) continue;
      std::ofstream(path_ + (first_version ? "/memory.limit_in_bytes" : "/memory.max")) << limit;
      if (access((path_ + (first_version ? "/memory.stat" : "/memory.max")).c_str(), F_OK) == 0) {
        return;
      }
      rmdir(path_.c_str());
    }
    path_.clear();
  }
  ~MemoryCgroup() {
    // A group whose last process has just ended may be busy for a moment.
    for (int i = 0; i < 100 && !path_.empty() && rmdir(path_.c_str()) != 0; ++i) usleep(10'000);
  }
  bool valid() const { return !path_.empty(); }
  void Enter() const { std::ofstream(path_ + "/cgroup.procs") << getpid(); }

 private:
  std::string path_;
};

TEST(ArenaLimitsTest, CgroupLimitIsAnErrorAndPagesStayGood) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer's own memory goes beyond the limit";
#endif
  const MemoryCgroup cgroup(uint64_t{64} << 20);
  if (!cgroup.valid()) GTEST_SKIP() << "cannot make a memory cgroup";
  const pid_t child = Fork([&] {
    cgroup.Enter();
    Arena arena = Make(1 << 20);
    std::vector<char*> runs;
    absl::Status status;
    while (runs.size() < 10'000) {
      const auto pages = arena.AllocPages(nullptr, 16);
      status = pages.status();
      if (!status.ok()) break;
      runs.push_back(static_cast<char*>(*pages));
    }
    if (!absl::IsResourceExhausted(status)) return 1;
    // At least half of the limit could be used, and all of what was returned is good.
    if (runs.size() < 512) return 2;
    for (char* run : runs) memset(run, 1, 16 * arena.page_size());
    for (char* run : runs) {
      if (!arena.FreePages(run, 16).ok()) return 3;
    }
    return arena.AllocPages(nullptr, 16).ok() ? 0 : 4;
  });
  EXPECT_EQ(Wait(child), 0);
}

TEST(ArenaLimitsTest, OneTebibyteCostsNextToNothing) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer leaves no room for it";
#endif
  Arena arena = Make((uint64_t{1} << 40) / static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  for (uint64_t i = 0; i < 64; ++i) {
    *Page(arena, i * (arena.max_pages() / 64) + i) = static_cast<char>(i);
  }
  auto* allocated = static_cast<char*>(*arena.AllocPages(nullptr, 3));
  allocated[8000] = 1;
  EXPECT_EQ(arena.Stats()->allocated_pages, 67u);
  EXPECT_LE(arena.Stats()->kept_pages, 31u);  // populated beyond the three
  EXPECT_EQ(arena.Stats()->populated_pages, 67u + arena.Stats()->kept_pages);
  EXPECT_TRUE(absl::IsFailedPrecondition(arena.ToOffset(allocated).status()));
  EXPECT_TRUE(arena.FreePages(arena.base(), arena.max_pages()).ok());
  EXPECT_EQ(arena.Stats()->populated_pages, arena.Stats()->kept_pages);
}

// Sets the size of the system's pool of 2 MiB pages for the time of a test, if it may.
class HugePagePool {
 public:
  explicit HugePagePool(int pages) {
    std::ifstream(kPath) >> before_;
    std::ofstream(kPath) << pages;
  }
  ~HugePagePool() { std::ofstream(kPath) << before_; }

 private:
  static constexpr const char* kPath = "/proc/sys/vm/nr_hugepages";
  int before_ = 0;
};

absl::StatusOr<Arena> MakeHuge() {
  ArenaOptions options;
  options.max_pages = 4;
  options.page_size = PageSize::k2MiB;
  return Arena::Create(options);
}

TEST(HugePagesTest, AllocateTouchAndFree) {
  const HugePagePool pool(8);
  if (ProbeKernel().huge_2mib_pages < 4) GTEST_SKIP() << "no 2 MiB pages are to be had";
  absl::StatusOr<Arena> arena = MakeHuge();
  ASSERT_TRUE(arena.ok()) << arena.status();
  EXPECT_EQ(arena->page_size(), 2u << 20);
  auto* pages = static_cast<char*>(*arena->AllocPages(nullptr, 2));
  memset(pages, 1, 4 << 20);
  *Page(*arena, 3) = 1;
  EXPECT_EQ(arena->Stats()->populated_pages, 3u);
  EXPECT_EQ(arena->Stats()->allocated_pages, 3u);
  EXPECT_TRUE(arena->FreePages(pages, 2).ok());
  EXPECT_EQ(*pages, 0);
  EXPECT_EQ(arena->CheckInvariants(), absl::OkStatus());
}

TEST(HugePagesTest, EmptyPoolIsAnErrorFromTheCallThatAsked) {
  const HugePagePool pool(0);
  if (ProbeKernel().huge_2mib_pages != 0) GTEST_SKIP() << "the pool is not ours to empty";
  absl::StatusOr<Arena> arena = MakeHuge();
  if (!arena.ok()) GTEST_SKIP() << arena.status();
  const absl::Status status = arena->AllocPages(nullptr, 2).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("nr_hugepages"));
  EXPECT_EXIT(*Page(*arena, 1) = 1, ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EQ(arena->Stats()->free_pages, 4u);
  EXPECT_EQ(arena->CheckInvariants(), absl::OkStatus());
}

TEST(ArenaLimitsTest, QuotaCountsWhatFaultsPopulate) {
  ArenaOptions options;
  options.max_pages = 10'000;
  options.quota_pages = 100;
  const Arena arena = *Arena::Create(options);
  const pid_t child = Fork([&] {
    for (uint64_t page = 0; page < 10'000; ++page) *Page(arena, page) = 1;
    return 0;
  });
  EXPECT_EQ(Wait(child), 1000 + SIGSEGV);
  EXPECT_EQ(arena.Stats()->populated_pages, 100u);
  EXPECT_EQ(*Page(arena, 99), 1);
}

TEST(ArenaLimitsTest, FreedPagesDoNotCount) {
  ArenaOptions options;
  options.max_pages = 100;
  options.quota_pages = 50;
  Arena arena = *Arena::Create(options);
  ASSERT_TRUE(arena.AllocPages(nullptr, 50).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(arena.AllocPages(nullptr, 1).status()));
  ASSERT_TRUE(arena.FreePages(arena.base(), 1).ok());
  EXPECT_TRUE(arena.AllocPages(nullptr, 1).ok());
}

}  // namespace
}  // namespace uarena
