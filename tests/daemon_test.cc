// SPDX-License-Identifier: Apache-2.0
//
// Named arenas through the daemon, from several processes; what the daemon and the clients do when
// the other is missing, old, or gone.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/daemon_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ipc/channel.h"
#include "nlohmann/json.hpp"
#include "os/fd.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"
#include "uarena/arena.h"
#include "uarena/bpf_arena.h"

namespace uarena {
namespace {

using testing::Fork;
using ::testing::HasSubstr;
using testing::TestDaemon;
using testing::Wait;

class DaemonTest : public ::testing::Test {
 protected:
  ArenaOptions Options(FaultMode mode = FaultMode::kAuto) {
    ArenaOptions options;
    options.max_pages = 10'000;
    options.fault_mode = mode;
    options.socket_path = daemon_.socket();
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
  // Runs uarenactl; its exit status, with what it printed.
  int Control(const std::string& arguments, std::string* output) {
    const std::string command =
        absl::StrCat(UARENACTL_PATH, " --socket=", daemon_.socket(), " ", arguments, " 2>&1");
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    output->clear();
    while (fgets(buffer, sizeof(buffer), pipe) != nullptr) *output += buffer;
    return WEXITSTATUS(pclose(pipe));
  }

  TestDaemon daemon_;
};

class DaemonModeTest : public DaemonTest, public ::testing::WithParamInterface<FaultMode> {};

TEST_P(DaemonModeTest, ProcessesShareByNameAtOneAddress) {
  Arena arena = Open("shared", GetParam());
  EXPECT_EQ(arena.name(), "shared");
  char* page = Page(arena, 3);
  *page = 42;
  ASSERT_TRUE(arena.SetRoot("root", page).ok());
  // Detached, it lives on in the daemon.
  void* const base = arena.base();
  { const Arena gone = std::move(arena); }
  const pid_t child = Fork([&] {
    Arena again = Open("shared", GetParam());
    if (again.base() != base || again.fault_mode() != GetParam()) return 1;
    if (*static_cast<char*>(*again.Root("root")) != 42) return 2;
    for (uint64_t i = 100; i < 3000; ++i) *Page(again, i) = 1;
    if (GetParam() != FaultMode::kKernel && again.Stats()->faults.faults < 5) return 3;
    if (!again.AllocPages(nullptr, 10).ok()) return 4;
    return again.CheckInvariants().ok() ? 0 : 5;
  });
  EXPECT_EQ(Wait(child), 0);
  ArenaOptions as_it_is = Options(GetParam());
  as_it_is.max_pages = 0;
  as_it_is.create = false;
  const absl::StatusOr<Arena> last = Arena::Open("shared", as_it_is);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->Stats()->allocated_pages, 2911u);
  EXPECT_EQ(daemon_.Stop(), 0);
}

TEST_P(DaemonModeTest, ManyThreadsAndScatteredTouches) {
  const Arena arena = Open("scattered", GetParam());
  std::vector<std::thread> threads;
  for (uint64_t id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      for (uint64_t i = 0; i < 1500; ++i) Page(arena, (i * 7919 + id) % 10'000)[id] = 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(DaemonModeTest, ForkedChildIsServedToo) {
  const Arena arena = Open("forked", GetParam());
  const pid_t child = Fork([&] {
    if (arena.fault_mode() != GetParam()) return 1;
    for (uint64_t i = 0; i < 1000; ++i) *Page(arena, i) = 1;
    return 0;
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(*Page(arena, 999), 1);
  *Page(arena, 5000) = 1;
}

INSTANTIATE_TEST_SUITE_P(Modes, DaemonModeTest,
                         ::testing::Values(FaultMode::kInPlace, FaultMode::kThread,
                                           FaultMode::kServed, FaultMode::kKernel),
                         testing::ModeName);

TEST_F(DaemonTest, ServedRefusalIsSigsegv) {
  const pid_t child = Fork([&] {
    ArenaOptions options = Options(FaultMode::kServed);
    options.segv_on_fault = true;
    absl::StatusOr<Arena> arena = Arena::Open("segv", options);
    if (!arena.ok()) return 1;
    auto* pages = static_cast<char*>(*arena->AllocPages(nullptr, 1));
    *pages = 1;
    *Page(*arena, 77) = 1;
    return 2;
  });
  EXPECT_EQ(Wait(child), 1000 + SIGSEGV);
}

TEST_F(DaemonTest, ClientsTakeOverWhenTheDaemonDies) {
  const Arena served = Open("a", FaultMode::kServed);
  const Arena in_place = Open("b", FaultMode::kInPlace);
  *Page(served, 0) = 1;
  std::atomic<uint64_t> touched{0};
  std::thread toucher([&] {
    for (uint64_t page = 1; page < 5000; page += 2) {
      *Page(served, page) = 1;
      touched.store(page);
    }
  });
  while (touched.load() < 100) std::this_thread::yield();
  daemon_.Kill(SIGKILL);
  const auto killed = std::chrono::steady_clock::now();
  toucher.join();
  EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(5));
  for (uint64_t page = 1; page < 5000; page += 2) ASSERT_EQ(*Page(served, page), 1);
  *Page(in_place, 5) = 1;
  EXPECT_EQ(served.CheckInvariants(), absl::OkStatus());
}

TEST_F(DaemonTest, ErrorsNameTheProblem) {
  const Arena arena = Open("a");
  auto open = [&](const char* name, auto change) {
    ArenaOptions options = Options();
    change(options);
    return Arena::Open(name, options).status();
  };
  absl::Status status = open("a", [](auto& o) { o.max_pages = 5; });
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("max_pages 10000"));
  status = open("missing", [](auto& o) { o.create = false; });
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("missing"));
  status = open("new", [](auto& o) { o.max_pages = 0; });
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  status = open("bad/name", [](auto&) {});
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  status =
      open("new", [&](auto& o) { o.user_vm_start = reinterpret_cast<uint64_t>(arena.base()); });
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("\"a\""));
  // Attached here already: its address is taken, by itself.
  status = open("a", [](auto&) {});
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  status = open("a", [](auto& o) { o.socket_path = "/nonexistent/socket"; });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("uarenad"));
}

TEST_F(DaemonTest, AnotherVersionIsRefusedAndNamed) {
  const UniqueFd socket = std::move(ConnectToDaemon(daemon_.socket())).value();
  FrameHeader header;
  header.version = 77;
  header.type = FrameType::kList;
  ASSERT_EQ(send(socket.get(), &header, sizeof(header), 0), static_cast<ssize_t>(sizeof(header)));
  const absl::StatusOr<ReceivedFrame> answer = ReceiveFrame(socket.get());
  ASSERT_TRUE(answer.ok()) << answer.status();
  ErrorPayload error;
  ASSERT_TRUE(ReadPayload(answer->frame, &error).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadError(error)));
  EXPECT_THAT(ReadError(error).ToString(), HasSubstr("version 77"));
}

TEST_F(DaemonTest, WrongDescriptorsAndMessagesAreRefused) {
  OpenedArena opened = std::move(OpenFromDaemon("x", Options())).value();
  const UniqueFd null(open("/dev/null", O_RDWR));
  absl::Status status = AskToServe(opened.socket.get(), null.get(), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("/dev/null"));
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  EXPECT_FALSE(AskToServe(opened.socket.get(), pipe_fds[0], 0).ok());
  EXPECT_FALSE(AskToServe(opened.socket.get(), null.get(), 1u << 30).ok());
  EXPECT_FALSE(
      Call(opened.socket.get(), FrameType::kOpened, ServePayload{}, {}, FrameType::kDone).ok());
  EXPECT_FALSE(
      Call(opened.socket.get(), FrameType::kOpen, ServePayload{}, {}, FrameType::kOpened).ok());
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  // Others are not troubled.
  *Page(Open("other", FaultMode::kServed), 1) = 1;
}

TEST_F(DaemonTest, DeadClientsAreRecoveredByTheDaemon) {
  const Arena arena = Open("a");
  const pid_t child = Fork([&] {
    const Arena mine = Open("b");
    for (uint64_t i = 0; i < 100; ++i) *Page(mine, i) = 1;
    pause();
    return 0;
  });
  std::string output;
  for (int i = 0; i < 500; ++i) {
    // Not there at first: then the tool says so and fails.
    if (Control("--json stat b", &output) == 0 &&
        nlohmann::json::parse(output)["processes"].size() == 2) {
      break;
    }
    usleep(10'000);
  }
  ASSERT_EQ(nlohmann::json::parse(output)["processes"].size(), 2u) << output;
  kill(child, SIGKILL);
  Wait(child);
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(Control("--json stat b", &output), 0) << output;
    if (nlohmann::json::parse(output)["processes"].size() == 1) break;
    usleep(10'000);
  }
  EXPECT_EQ(nlohmann::json::parse(output)["processes"].size(), 1u) << output;
  EXPECT_EQ(Control("check b", &output), 0) << output;
}

TEST_F(DaemonTest, ControlTool) {
  const Arena arena = Open("numbers", FaultMode::kServed);
  for (uint64_t i = 0; i < 50; ++i) *Page(arena, i) = 1;
  std::string output;
  EXPECT_EQ(Control("--json ls", &output), 0);
  auto list = nlohmann::json::parse(output);
  ASSERT_EQ(list.size(), 1u) << output;
  EXPECT_EQ(list[0]["name"], "numbers");
  EXPECT_EQ(list[0]["max_pages"], 10'000);
  EXPECT_EQ(list[0]["processes"], 1);
  EXPECT_EQ(Control("ls", &output), 0);
  EXPECT_THAT(output, HasSubstr("numbers"));
  EXPECT_EQ(Control("stat numbers", &output), 0);
  EXPECT_THAT(output, HasSubstr("served"));
  EXPECT_EQ(Control("check numbers", &output), 0) << output;
  EXPECT_EQ(Control("--json probe", &output), 0);
  EXPECT_EQ(nlohmann::json::parse(output)["page_size"], sysconf(_SC_PAGESIZE));
  EXPECT_EQ(Control("stat nothing", &output), 1);
  EXPECT_THAT(output, HasSubstr("nothing"));
  EXPECT_EQ(Control("rm numbers", &output), 0);
  EXPECT_EQ(Control("rm numbers", &output), 1);
  EXPECT_TRUE(absl::IsNotFound(Arena::Remove("numbers", Options())));
  EXPECT_EQ(Control("--json ls", &output), 0);
  EXPECT_TRUE(nlohmann::json::parse(output).empty());
  EXPECT_EQ(Control("frobnicate", &output), 2);
  // Still ours, and still served.
  *Page(arena, 200) = 1;
  EXPECT_EQ(*Page(arena, 7), 1);
}

TEST_F(DaemonTest, NamesOfBpfCodeAreForArenasOfAtMost4GiB) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer leaves too little room";
#endif
  setenv("UARENA_SOCKET", daemon_.socket().c_str(), 1);
  ArenaOptions options = Options();
  options.max_pages = uint64_t{1} << 21;
  ASSERT_TRUE(OpenFromDaemon("large", options).ok());
  uarena_map map = UARENA_MAP_INIT;
  EXPECT_EQ(uarena_map_open(&map, "large", 0, 0), -E2BIG);
  EXPECT_EQ(uarena_map_open(&map, "other", uint64_t{1} << 21, 0), -E2BIG);
  EXPECT_EQ(uarena_map_open(&map, "bad/name", 10, 0), -EINVAL);
  EXPECT_THAT(uarena_map_error(), HasSubstr("bad/name"));
  ASSERT_EQ(uarena_map_open(&map, "small", 100, 0), 0);
  EXPECT_EQ(uarena_map_open(&map, "small", 100, 0), -EBUSY);
  void* pages = bpf_arena_alloc_pages(&map, nullptr, 3, NUMA_NO_NODE, 0);
  EXPECT_EQ(pages, uarena_map_base(&map));
  EXPECT_EQ(bpf_arena_alloc_pages(&map, pages, 1, NUMA_NO_NODE, 0), nullptr);
  EXPECT_EQ(bpf_arena_alloc_pages(&map, nullptr, 1, NUMA_NO_NODE, 7), nullptr);
  EXPECT_EQ(bpf_arena_reserve_pages(&map, pages, 1), -EBUSY);
  EXPECT_EQ(bpf_arena_reserve_pages(&map, static_cast<char*>(pages) + 1, 1), 0);
  bpf_arena_free_pages(&map, pages, 3);
  EXPECT_EQ(bpf_arena_reserve_pages(&map, pages, 1), 0);
  uarena_map_close(&map);
  unsetenv("UARENA_SOCKET");
}

TEST_F(DaemonTest, AStoppedDaemonStopsNobodyForLong) {
  kill(daemon_.pid(), SIGSTOP);
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = Arena::Open("a", Options()).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  kill(daemon_.pid(), SIGCONT);
  EXPECT_TRUE(Arena::Open("a", Options()).ok());
}

TEST_F(DaemonTest, ManyArenasAreListed) {
  const size_t count = 2 * kListEntries + 1;  // three frames
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer leaves no room for so many";
#endif
  for (size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(OpenFromDaemon(absl::StrCat("arena-", i), Options()).ok()) << i;
  }
  const absl::StatusOr<std::vector<ArenaEntry>> list = ListArenas(daemon_.socket());
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->size(), count);
}

TEST_F(DaemonTest, SecondDaemonSaysSoAndTheFirstIsUnharmed) {
  const Arena arena = Open("a", FaultMode::kServed);
  const std::string command =
      absl::StrCat(UARENAD_PATH, " --socket=", daemon_.socket(), " 2>/dev/null");
  EXPECT_NE(system(command.c_str()), 0);
  *Page(arena, 9) = 1;
  EXPECT_TRUE(ListArenas(daemon_.socket()).ok());
}

TEST_F(DaemonTest, StaleSocketIsReplacedAndStopRemovesIt) {
  daemon_.Kill(SIGKILL);
  EXPECT_EQ(access(daemon_.socket().c_str(), F_OK), 0);
  daemon_.Start();
  // The old socket's file was there, so wait until somebody answers.
  for (int i = 0; i < 500 && !ListArenas(daemon_.socket()).ok(); ++i) usleep(10'000);
  EXPECT_TRUE(ListArenas(daemon_.socket()).ok());
  EXPECT_EQ(daemon_.Stop(), 0);
  EXPECT_NE(access(daemon_.socket().c_str(), F_OK), 0);
}

TEST_F(DaemonTest, OrdinaryUsersHaveTheirOwnArenas) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not know threads that a forked child starts";
#endif
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  chmod(daemon_.socket().substr(0, daemon_.socket().rfind('/')).c_str(), 0755);
  const Arena arena = Open("roots-own");
  const pid_t child = Fork([&] {
    if (setgid(65534) != 0 || setuid(65534) != 0) return 1;
    if (!absl::IsPermissionDenied(Arena::Open("roots-own", Options()).status())) return 2;
    if (!absl::IsPermissionDenied(RemoveArena(daemon_.socket(), "roots-own"))) return 3;
    if (!ListArenas(daemon_.socket())->empty()) return 4;
    for (const FaultMode mode : {FaultMode::kAuto, FaultMode::kServed, FaultMode::kThread}) {
      const std::string name = absl::StrCat("nobodys-", static_cast<int>(mode));
      absl::StatusOr<Arena> own = Arena::Open(name, Options(mode));
      if (!own.ok()) {
        fprintf(stderr, "%s\n", own.status().ToString().c_str());
        return 5;
      }
      for (uint64_t i = 0; i < 500; ++i) *Page(*own, i) = 1;
      if (!own->AllocPages(nullptr, 10).ok()) return 6;
    }
    return 0;
  });
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(ListArenas(daemon_.socket())->size(), 4u);
}

}  // namespace
}  // namespace uarena
