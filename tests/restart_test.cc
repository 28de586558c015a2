// SPDX-License-Identifier: Apache-2.0
//
// The daemon goes away and comes back: what clients notice, what they hand back, and what a daemon
// does not take back.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/daemon_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ipc/channel.h"
#include "os/fd.h"
#include "os/syscall.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Fork;
using ::testing::HasSubstr;
using testing::TestDaemon;
using testing::Wait;
using Clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlower = 10;
#else
constexpr int kSlower = 1;
#endif

class RestartTest : public ::testing::Test {
 protected:
  ArenaOptions Options(FaultMode mode = FaultMode::kAuto) {
    ArenaOptions options;
    options.max_pages = 10'000;
    options.fault_mode = mode;
    options.socket_path = daemon_.socket();
    return options;
  }
  ArenaOptions AsItIs(FaultMode mode = FaultMode::kAuto) {
    ArenaOptions options = Options(mode);
    options.max_pages = 0;
    options.create = false;
    return options;
  }
  Arena Open(const char* name, FaultMode mode = FaultMode::kAuto) {
    absl::StatusOr<Arena> arena = Arena::Open(name, Options(mode));
    EXPECT_TRUE(arena.ok()) << arena.status();
    return *std::move(arena);
  }
  static char* Page(const Arena& arena, uint64_t page) {
    return static_cast<char*>(arena.base()) + page * arena.page_size();
  }
  void Restart() {
    daemon_.Kill(SIGKILL);
    daemon_.Start();
  }
  // Waits until the daemon knows the name again.
  ::testing::AssertionResult Returns(const std::string& name) {
    for (int i = 0; i < 1000; ++i) {
      const absl::StatusOr<std::vector<ArenaEntry>> list = ListArenas(daemon_.socket());
      if (list.ok()) {
        for (const ArenaEntry& entry : *list) {
          if (ReadText(entry.name, sizeof(entry.name)) == name) {
            return ::testing::AssertionSuccess();
          }
        }
      }
      usleep(10'000);
    }
    return ::testing::AssertionFailure() << name << " was not handed back";
  }
  // How many threads of the daemon resolve faults.
  int Lanes() const { return testing::CountThreads(daemon_.pid(), "uarenad-faults"); }

  TestDaemon daemon_;
};

class RestartModeTest : public RestartTest, public ::testing::WithParamInterface<FaultMode> {};

TEST_P(RestartModeTest, NamesAndContentsReturnWhileClientsFault) {
  const Arena arena = Open("kept", GetParam());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> touched{0};
  std::thread toucher([&] {
    for (uint64_t i = 0; i < 9000 && !stop.load(); ++i) {
      *Page(arena, i * 7919 % 9000) = static_cast<char>(i % 100 + 1);
      touched.store(i + 1);
    }
  });
  for (int round = 0; round < 3; ++round) {
    const uint64_t before = touched.load();
    while (touched.load() < before + 50 && touched.load() < 9000) std::this_thread::yield();
    Restart();
    ASSERT_TRUE(Returns("kept")) << round;
  }
  stop.store(true);
  toucher.join();
  const uint64_t count = touched.load();
  void* const base = arena.base();
  // Another process finds all of it by its name.
  const pid_t child = Fork([&] {
    const absl::StatusOr<Arena> again = Arena::Open("kept", AsItIs(GetParam()));
    // The copy that a forked child has is in the way, and of the same arena.
    if (!absl::IsAlreadyExists(again.status())) return 1;
    for (uint64_t i = 0; i < count; ++i) {
      if (*Page(arena, i * 7919 % 9000) != static_cast<char>(i % 100 + 1)) return 2;
    }
    return arena.base() == base ? 0 : 3;
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(daemon_.Stop(), 0);
}

TEST_P(RestartModeTest, AStrangerOpensByNameWhatWasHandedBack) {
  auto arena = std::make_unique<Arena>(Open("kept", GetParam()));
  *Page(*arena, 17) = 42;
  ASSERT_TRUE(arena->SetRoot("root", Page(*arena, 17)).ok());
  Restart();
  // At once: it waits for the arena to return, rather than make another.
  const absl::StatusOr<OpenedArena> opened = OpenFromDaemon("kept", AsItIs());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->says.base, reinterpret_cast<uint64_t>(arena->base()));
  // The first holder may go now.
  arena.reset();
  const absl::StatusOr<Arena> again = Arena::Open("kept", AsItIs(GetParam()));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*static_cast<char*>(again->Root("root").value()), 42);
}

TEST_P(RestartModeTest, AForkedChildHandsBackToo) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not know threads that a forked child starts";
#endif
  auto arena = std::make_unique<Arena>(Open("kept", GetParam()));
  *Page(*arena, 3) = 42;
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  const pid_t child = Fork([&] {
    close(go[1]);
    char byte;
    if (read(go[0], &byte, 1) != 0) return 1;  // until the test is done
    for (uint64_t i = 100; i < 1000; ++i) *Page(*arena, i) = 1;
    return arena->CheckInvariants().ok() ? 0 : 2;
  });
  close(go[0]);
  arena.reset();
  Restart();
  EXPECT_TRUE(Returns("kept"));
  const absl::StatusOr<Arena> again = Arena::Open("kept", AsItIs(GetParam()));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*Page(*again, 3), 42);
  close(go[1]);
  EXPECT_EQ(Wait(child), 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, RestartModeTest,
                         ::testing::Values(FaultMode::kInPlace, FaultMode::kThread,
                                           FaultMode::kServed, FaultMode::kKernel),
                         testing::ModeName);

TEST_F(RestartTest, ServedFaultsGoBackToTheDaemon) {
  const Arena arena = Open("served", FaultMode::kServed);
  *Page(arena, 0) = 1;
  EXPECT_EQ(Lanes(), 1);
  for (int round = 1; round <= 3; ++round) {
    daemon_.Kill(SIGKILL);
    *Page(arena, 1000 * static_cast<uint64_t>(round)) = 1;  // by our own handler
    EXPECT_EQ(testing::CountThreads(getpid(), "uarena-faults"), 1) << round;
    daemon_.Start();
    for (int i = 0; i < 1000 && testing::CountThreads(getpid(), "uarena-faults") != 0; ++i) {
      usleep(10'000);
    }
    EXPECT_EQ(testing::CountThreads(getpid(), "uarena-faults"), 0) << round;
    // Looked for more than once: reading a directory of threads may miss one while another ends.
    for (int i = 0; i < 100 && Lanes() != 1; ++i) usleep(10'000);
    EXPECT_EQ(Lanes(), 1) << round;
    *Page(arena, 1000 * static_cast<uint64_t>(round) + 600) = 1;
  }
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_F(RestartTest, TakingOverTakesLessThan100Milliseconds) {
  Arena arena = Open("served", FaultMode::kServed);
  std::vector<double> longest;
  for (int round = 0; round < 5; ++round) {
    // Every touch is a fault: pages are freed behind the toucher.
    std::atomic<bool> stop{false};
    std::atomic<int64_t> worst_ns{0};
    std::atomic<uint64_t> touches{0};
    std::thread toucher([&] {
      Clock::time_point last = Clock::now();
      for (uint64_t i = 0; !stop.load(); ++i) {
        const uint64_t page = i * 7919 % 10'000;
        *Page(arena, page) = 1;
        arena.FreePages(Page(arena, page), 1).IgnoreError();
        const Clock::time_point now = Clock::now();
        worst_ns.store(std::max(worst_ns.load(), (now - last).count()));
        last = now;
        touches.store(i + 1);
      }
    });
    while (touches.load() < 200) usleep(1000);
    worst_ns.store(0);
    daemon_.Kill(SIGKILL);
    const uint64_t at_kill = touches.load();
    while (touches.load() < at_kill + 200) usleep(1000);
    longest.push_back(static_cast<double>(worst_ns.load()) / 1e6);
    stop.store(true);
    toucher.join();
    daemon_.Start();
    ASSERT_TRUE(Returns("served"));
    for (int i = 0; i < 1000 && testing::CountThreads(getpid(), "uarena-faults") != 0; ++i) {
      usleep(10'000);
    }
  }
  std::sort(longest.begin(), longest.end());
  printf("longest gap between touches around a kill: median %.2f ms, most %.2f ms\n", longest[2],
         longest[4]);
  EXPECT_LT(longest[2], 100.0 * kSlower);
}

TEST_F(RestartTest, ARemovedNameStaysRemoved) {
  const Arena arena = Open("gone", FaultMode::kServed);
  const Arena other = Open("stays");
  *Page(arena, 1) = 1;
  const pid_t child = Fork([&] {
    pause();
    return 0;
  });
  ASSERT_TRUE(Arena::Remove("gone", Options()).ok());
  *Page(arena, 2) = 2;  // still served
  Restart();
  ASSERT_TRUE(Returns("stays"));
  usleep(700'000);  // longer than the slowest client looks
  EXPECT_EQ(ListArenas(daemon_.socket())->size(), 1u);
  *Page(arena, 3000) = 3;
  EXPECT_EQ(*Page(arena, 1), 1);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  kill(child, SIGKILL);
  Wait(child);
}

TEST_F(RestartTest, WithoutReconnectingNothingReturns) {
  ArenaOptions options = Options(FaultMode::kServed);
  options.reconnect = false;
  const absl::StatusOr<Arena> arena = Arena::Open("alone", options);
  ASSERT_TRUE(arena.ok()) << arena.status();
  *Page(*arena, 1) = 1;
  Restart();
  const absl::Status status = Arena::Open("alone", AsItIs()).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  for (uint64_t i = 0; i < 2000; ++i) *Page(*arena, i) = 1;
  EXPECT_EQ(arena->CheckInvariants(), absl::OkStatus());
}

TEST_F(RestartTest, ACleanStopLosesNothingEither) {
  const Arena arena = Open("kept", FaultMode::kServed);
  *Page(arena, 1) = 1;
  EXPECT_EQ(daemon_.Stop(), 0);
  *Page(arena, 5000) = 2;
  daemon_.Start();
  const absl::StatusOr<OpenedArena> opened = OpenFromDaemon("kept", AsItIs());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->says.base, reinterpret_cast<uint64_t>(arena.base()));
}

TEST_F(RestartTest, WithoutArenasAStartDoesNotWait) {
  { const Arena arena = Open("a"); }
  EXPECT_TRUE(ListArenas(daemon_.socket()).ok());  // by now it has seen that nobody is there
  EXPECT_EQ(daemon_.Stop(), 0);
  daemon_.Start();
  const auto start = Clock::now();
  EXPECT_TRUE(OpenFromDaemon("b", Options()).ok());
  EXPECT_LT(Clock::now() - start, std::chrono::milliseconds(500 * kSlower));
}

TEST_F(RestartTest, AStoppedDaemonDoesNotHoldUpDetaching) {
  auto arena = std::make_unique<Arena>(Open("a", FaultMode::kServed));
  Restart();
  kill(daemon_.pid(), SIGSTOP);
  usleep(200'000);  // the keeper is waiting for an answer now
  *Page(*arena, 77) = 1;
  const auto start = Clock::now();
  arena.reset();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(1 * kSlower));
  kill(daemon_.pid(), SIGCONT);
}

// What a dishonest client may hand back.
class HandBackTest : public RestartTest {
 protected:
  void SetUp() override {
    absl::StatusOr<OpenedArena> opened = OpenFromDaemon("a", Options());
    ASSERT_TRUE(opened.ok()) << opened.status();
    a_ = *std::move(opened);
    opened = OpenFromDaemon("b", Options());
    ASSERT_TRUE(opened.ok()) << opened.status();
    b_ = *std::move(opened);
    Restart();
  }
  absl::Status HandBack(int data, int control, int deed) {
    absl::StatusOr<UniqueFd> socket = ConnectToDaemon(daemon_.socket());
    if (!socket.ok()) return socket.status();
    const int fds[] = {data, control, deed};
    return Call(socket->get(), FrameType::kHandBack, std::span<const uint8_t>(), fds,
                FrameType::kOpened)
        .status();
  }
  // A memfd with the deed's content, and what may differ.
  UniqueFd Forge(const char* name, int seals, uid_t owner, size_t change_at = 0, char change = 0) {
    UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    std::vector<char> content(4096);
    const ssize_t bytes = pread(a_.deed.get(), content.data(), content.size(), 0);
    content[change_at] = static_cast<char>(content[change_at] ^ change);
    EXPECT_EQ(write(fd.get(), content.data(), static_cast<size_t>(bytes)), bytes);
    if (owner != geteuid()) {
      EXPECT_EQ(fchown(fd.get(), owner, owner), 0);
    }
    EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    return fd;
  }

  OpenedArena a_;
  OpenedArena b_;
};

TEST_F(HandBackTest, GenuineOnesAreTaken) {
  EXPECT_EQ(HandBack(a_.data.get(), a_.control.get(), a_.deed.get()), absl::OkStatus());
  // Whoever comes second finds it there.
  EXPECT_EQ(HandBack(a_.data.get(), a_.control.get(), a_.deed.get()), absl::OkStatus());
  EXPECT_EQ(ListArenas(daemon_.socket())->size(), 1u);
}

TEST_F(HandBackTest, ADeedMayNotBeWrittenToByAnybody) {
  EXPECT_LT(pwrite(a_.deed.get(), "x", 1, 0), 0);
  EXPECT_LT(ftruncate(a_.deed.get(), 0), 0);
  EXPECT_LT(fcntl(a_.deed.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
}

TEST_F(HandBackTest, PartsOfOtherArenasAreRefused) {
  for (const absl::Status& status : {
           HandBack(b_.data.get(), a_.control.get(), a_.deed.get()),
           HandBack(a_.data.get(), b_.control.get(), a_.deed.get()),
           HandBack(a_.control.get(), a_.data.get(), a_.deed.get()),
           HandBack(a_.data.get(), a_.control.get(), a_.data.get()),
           HandBack(a_.data.get(), a_.control.get(), b_.deed.get()),
       }) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  }
  EXPECT_TRUE(ListArenas(daemon_.socket())->empty());
}

TEST_F(HandBackTest, ForgeriesAreRefused) {
  constexpr int kAllSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  auto hand = [&](const UniqueFd& deed) {
    return HandBack(a_.data.get(), a_.control.get(), deed.get());
  };
  absl::Status status = hand(Forge("uarena-deed", F_SEAL_SHRINK, geteuid()));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("not sealed"));
  status = hand(Forge("another-name", kAllSeals, geteuid()));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  status = hand(Forge("uarena-deed", kAllSeals, geteuid(), 0, 1));  // the magic
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  if (geteuid() == 0) {
    status = hand(Forge("uarena-deed", kAllSeals, 65534));
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(status.ToString(), HasSubstr("65534"));
  }
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(HandBack(a_.data.get(), a_.control.get(), pipe_fds[0])));
  EXPECT_TRUE(absl::IsInvalidArgument(HandBack(pipe_fds[0], pipe_fds[1], a_.deed.get())));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  EXPECT_TRUE(ListArenas(daemon_.socket())->empty());
}

TEST_F(HandBackTest, ARemovedNameIsNotTakenBack) {
  ASSERT_TRUE(HandBack(a_.data.get(), a_.control.get(), a_.deed.get()).ok());
  ASSERT_TRUE(Arena::Remove("a", Options()).ok());
  Restart();
  const absl::Status status = HandBack(a_.data.get(), a_.control.get(), a_.deed.get());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST_F(HandBackTest, DescriptorsForReadingAreRefused) {
  const UniqueFd data(sys::ReopenReadOnly(a_.data.get()));
  const absl::Status status = HandBack(data.get(), a_.control.get(), a_.deed.get());
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST_F(HandBackTest, ADamagedControlMemoryIsRefused) {
  const char garbage[4096] = {1, 2, 3};
  ASSERT_EQ(pwrite(a_.control.get(), garbage, sizeof(garbage), 0), 4096);
  EXPECT_FALSE(HandBack(a_.data.get(), a_.control.get(), a_.deed.get()).ok());
  EXPECT_EQ(HandBack(b_.data.get(), b_.control.get(), b_.deed.get()), absl::OkStatus());
}

TEST_F(HandBackTest, ATakenNameIsNotGivenBack) {
  ASSERT_TRUE(OpenFromDaemon("a", Options()).ok());  // nobody hands it back: a new one
  const absl::Status status = HandBack(a_.data.get(), a_.control.get(), a_.deed.get());
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("another one now"));
}

TEST_F(HandBackTest, OtherUsersMayNot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  chmod(daemon_.socket().substr(0, daemon_.socket().rfind('/')).c_str(), 0755);
  const pid_t child = Fork([&] {
    if (setgid(65534) != 0 || setuid(65534) != 0) return 1;
    const absl::Status status = HandBack(a_.data.get(), a_.control.get(), a_.deed.get());
    return absl::IsPermissionDenied(status) ? 0 : 2;
  });
  EXPECT_EQ(Wait(child), 0);
}

}  // namespace
}  // namespace uarena
