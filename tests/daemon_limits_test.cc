// SPDX-License-Identifier: Apache-2.0
//
// The daemon runs out of something: it answers so, stays up, and goes on when there is more again.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/daemon_client.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::TestDaemon;

class DaemonLimitsTest : public ::testing::Test {
 protected:
  ArenaOptions Options(FaultMode mode = FaultMode::kAuto) {
    ArenaOptions options;
    options.max_pages = 1000;
    options.fault_mode = mode;
    options.socket_path = daemon_.socket();
    return options;
  }
  // Sets a limit of the daemon; what it was.
  rlim_t Limit(__rlimit_resource resource, rlim_t value) {
    rlimit before{};
    rlimit limit{};
    EXPECT_EQ(prlimit(daemon_.pid(), resource, nullptr, &before), 0);
    limit = {value, before.rlim_max};
    EXPECT_EQ(prlimit(daemon_.pid(), resource, &limit, nullptr), 0);
    return before.rlim_cur;
  }
  size_t DaemonFds() const {
    const std::string path = absl::StrCat("/proc/", daemon_.pid(), "/fd");
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) ++count;
    return count;
  }
  // Opens one arena after another until that fails.
  absl::Status OpenMany(std::vector<OpenedArena>* opened, uint64_t max_pages) {
    ArenaOptions options = Options();
    options.max_pages = max_pages;
    for (int i = 0; i < 1000; ++i) {
      absl::StatusOr<OpenedArena> arena = OpenFromDaemon(absl::StrCat("many-", i), options);
      if (!arena.ok()) return arena.status();
      opened->push_back(*std::move(arena));
    }
    return absl::OkStatus();
  }
  void ExpectWorks() {
    const absl::StatusOr<Arena> arena = Arena::Open("works", Options(FaultMode::kServed));
    ASSERT_TRUE(arena.ok()) << arena.status();
    for (uint64_t i = 0; i < 1000; ++i) static_cast<char*>(arena->base())[i * 4096] = 1;
    EXPECT_EQ(arena->CheckInvariants(), absl::OkStatus());
  }

  TestDaemon daemon_;
};

TEST_F(DaemonLimitsTest, Descriptors) {
  const absl::StatusOr<Arena> served = Arena::Open("served", Options(FaultMode::kServed));
  ASSERT_TRUE(served.ok());
  const rlim_t before = Limit(RLIMIT_NOFILE, DaemonFds() + 20);
  std::vector<OpenedArena> opened;
  const absl::Status status = OpenMany(&opened, 1000);
  // Or it has no descriptor left to take the connection.
  EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GE(opened.size(), 2u);
  // Those who are there already do not notice.
  for (uint64_t i = 0; i < 1000; ++i) static_cast<char*>(served->base())[i * 4096] = 1;
  opened.clear();
  Limit(RLIMIT_NOFILE, before);
  ExpectWorks();
  EXPECT_EQ(daemon_.Stop(), 0);
}

TEST_F(DaemonLimitsTest, AddressSpace) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve terabytes of address space";
#endif
  uint64_t pages = 0;
  std::ifstream(absl::StrCat("/proc/", daemon_.pid(), "/statm")) >> pages;
  const rlim_t before = Limit(RLIMIT_AS, pages * 4096 + (1 << 30));
  std::vector<OpenedArena> opened;
  // Each has some 120 MiB of control memory, most of it never touched.
  const absl::Status status = OpenMany(&opened, 1 << 20);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_GE(opened.size(), 2u);
  // Now the last bytes: small things fail as well, and nothing worse happens.
  ArenaOptions small = Options();
  for (int i = 0; i < 5000; ++i) {
    small.max_pages = static_cast<uint64_t>(1 + i % 100);
    if (!OpenFromDaemon(absl::StrCat("small-", i), small).ok() && i > 100) break;
  }
  EXPECT_TRUE(ListArenas(daemon_.socket()).ok());
  Limit(RLIMIT_AS, before);
  ExpectWorks();
  EXPECT_EQ(daemon_.Stop(), 0);
}

}  // namespace
}  // namespace uarena
