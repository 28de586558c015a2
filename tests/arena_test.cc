// SPDX-License-Identifier: Apache-2.0
//
// The public API of one process: what each call does, in each mode, and what it says to bad input.
#include "uarena/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/fd.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"

namespace uarena {
namespace {

using testing::EmbeddedModes;
using testing::Fork;
using ::testing::HasSubstr;
using testing::ModeName;
using testing::Wait;

Arena Make(uint64_t max_pages, FaultMode mode = FaultMode::kAuto) {
  ArenaOptions options;
  options.max_pages = max_pages;
  options.fault_mode = mode;
  absl::StatusOr<Arena> arena = Arena::Create(options);
  EXPECT_TRUE(arena.ok()) << arena.status();
  return *std::move(arena);
}

char* Page(const Arena& arena, uint64_t page) {
  return static_cast<char*>(arena.base()) + page * arena.page_size();
}

class ArenaTest : public ::testing::TestWithParam<FaultMode> {};

TEST_P(ArenaTest, TouchedPagesAreZeroAndCounted) {
  const Arena arena = Make(1000, GetParam());
  EXPECT_EQ(arena.fault_mode(), GetParam());
  for (uint64_t page = 0; page < 1000; page += 7) {
    EXPECT_EQ(*Page(arena, page), 0);
    *Page(arena, page) = 1;
  }
  const absl::StatusOr<ArenaStats> stats = arena.Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->allocated_pages, 143u);
  EXPECT_EQ(stats->populated_pages, 143u);
  EXPECT_EQ(stats->free_pages, 857u);
  EXPECT_EQ(stats->processes, 1u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(ArenaTest, SequentialTouchesAreBatchedAndStillCountedOneByOne) {
  if (GetParam() == FaultMode::kKernel) GTEST_SKIP() << "the kernel takes page by page";
  const Arena arena = Make(4096, GetParam());
  for (uint64_t page = 0; page < 2000; ++page) *Page(arena, page) = 1;
  const ArenaStats stats = *arena.Stats();
  EXPECT_EQ(stats.allocated_pages, 2000u);
  EXPECT_GE(stats.ahead_pages, 1u);
  EXPECT_EQ(stats.ahead_pages + stats.allocated_pages, stats.populated_pages);
  EXPECT_LT(stats.faults.faults, 30u);
}

TEST_P(ArenaTest, ReservedPagesAreBatchedToo) {
  Arena arena = Make(8192, GetParam());
  ASSERT_EQ(arena.ReservePages(Page(arena, 100), 4096), absl::OkStatus());
  for (uint64_t page = 100; page < 4000; ++page) *Page(arena, page) = 1;
  const ArenaStats stats = *arena.Stats();
  EXPECT_EQ(stats.allocated_pages, 3900u);
  EXPECT_EQ(stats.reserved_pages, 196u);
  EXPECT_LT(stats.faults.faults, 40u);
  EXPECT_EQ(arena.FreePages(Page(arena, 100), 4096), absl::OkStatus());
  EXPECT_EQ(arena.Stats()->populated_pages, 0u);
  EXPECT_EQ(*Page(arena, 200), 0);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(ArenaTest, AllocateFreeReserve) {
  Arena arena = Make(100, GetParam());
  const absl::StatusOr<void*> first = arena.AllocPages(nullptr, 10);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*first, arena.base());
  const absl::StatusOr<void*> second = arena.AllocPages(nullptr, 5);
  EXPECT_EQ(*second, Page(arena, 10));
  memset(*first, 0xab, 10 * arena.page_size());
  EXPECT_EQ(arena.ReservePages(Page(arena, 15), 10), absl::OkStatus());
  EXPECT_EQ(*arena.AllocPages(nullptr, 1), Page(arena, 25));
  EXPECT_TRUE(absl::IsAlreadyExists(arena.AllocPages(Page(arena, 20), 1).status()));
  *Page(arena, 20) = 1;  // a touch of a reserved page gets a page
  EXPECT_EQ(arena.FreePages(*first, 10), absl::OkStatus());
  EXPECT_EQ(*Page(arena, 3), 0);
  EXPECT_EQ(arena.FreePages(arena.base(), 100), absl::OkStatus());
  EXPECT_EQ(arena.Stats()->free_pages, 100u);
  EXPECT_EQ(arena.Stats()->populated_pages, arena.Stats()->kept_pages);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(*arena.AllocPages(Page(arena, 99), 1), Page(arena, 99));
}

TEST_P(ArenaTest, TinyArenas) {
  for (const uint64_t pages : {1, 2}) {
    Arena arena = Make(pages, GetParam());
    *Page(arena, pages - 1) = 1;
    EXPECT_EQ(arena.AllocPages(nullptr, pages).ok(), false);
    EXPECT_TRUE(arena.FreePages(arena.base(), 1000).ok());
    EXPECT_TRUE(arena.AllocPages(nullptr, pages).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(arena.AllocPages(nullptr, 1).status()));
    EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  }
}

TEST_P(ArenaTest, SystemCallsOnAllocatedPages) {
  Arena arena = Make(64, GetParam());
  auto* pages = static_cast<char*>(*arena.AllocPages(nullptr, 8));
  const UniqueFd zero(open("/dev/zero", O_RDONLY));
  memset(pages, 1, 8 * arena.page_size());
  EXPECT_EQ(read(zero.get(), pages, 8 * arena.page_size()),
            static_cast<ssize_t>(8 * arena.page_size()));
  EXPECT_EQ(pages[12345], 0);
  // Another process, which has not touched them.
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  memcpy(pages + 5000, "hello", 5);
  const pid_t child = Fork([&] {
    if (write(pipe_fds[1], pages + 5000, 5) != 5) return 1;
    return read(zero.get(), pages + 5000, 2) == 2 ? 0 : 2;
  });
  EXPECT_EQ(Wait(child), 0);
  char text[6] = {};
  EXPECT_EQ(read(pipe_fds[0], text, 5), 5);
  EXPECT_STREQ(text, "hello");
  EXPECT_EQ(memcmp(pages + 5000, "\0\0llo", 5), 0);
  // Pages that are not there yet, once populated.
  char* buffer = Page(arena, 20) + 100;
  ASSERT_EQ(arena.Populate(buffer, 3 * arena.page_size()), absl::OkStatus());
  EXPECT_EQ(read(zero.get(), buffer, 3 * arena.page_size()),
            static_cast<ssize_t>(3 * arena.page_size()));
  EXPECT_EQ(arena.Stats()->allocated_pages, 12u);
}

TEST_P(ArenaTest, Threads) {
  const Arena arena = Make(8192, GetParam());
  std::vector<std::thread> threads;
  for (int id = 0; id < 8; ++id) {
    // All touch all pages; each page is written by all.
    threads.emplace_back([&, id] {
      for (uint64_t page = 0; page < 8192; ++page)
        Page(arena, page)[id] = static_cast<char>(id + 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint64_t page = 0; page < 8192; ++page) {
    ASSERT_EQ(memcmp(Page(arena, page), "\1\2\3\4\5\6\7\10", 8), 0) << page;
  }
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST_P(ArenaTest, RootsAndOffsets) {
  Arena arena = Make(16, GetParam());
  EXPECT_TRUE(absl::IsNotFound(arena.Root("a").status()));
  ASSERT_TRUE(arena.SetRoot("a", Page(arena, 3) + 5).ok());
  ASSERT_TRUE(arena.SetRoot("b", arena.base()).ok());
  EXPECT_EQ(*arena.Root("a"), Page(arena, 3) + 5);
  EXPECT_EQ(*arena.Root("b"), arena.base());
  ASSERT_TRUE(arena.SetRoot("a", Page(arena, 4)).ok());
  EXPECT_EQ(*arena.Root("a"), Page(arena, 4));
  EXPECT_THAT(arena.RootNames(), ::testing::UnorderedElementsAre("a", "b"));
  EXPECT_TRUE(arena.SetRoot("a", nullptr).ok());
  EXPECT_TRUE(absl::IsNotFound(arena.SetRoot("a", nullptr)));
  EXPECT_TRUE(absl::IsNotFound(arena.Root("a").status()));
  for (int i = 0; i < 1023; ++i)
    ASSERT_TRUE(arena.SetRoot(absl::StrCat("r", i), Page(arena, 1)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(arena.SetRoot("one more", Page(arena, 1))) ||
              absl::IsInvalidArgument(arena.SetRoot("one more", Page(arena, 1))));
  EXPECT_TRUE(absl::IsResourceExhausted(arena.SetRoot("one-more", Page(arena, 1))));
  EXPECT_EQ(*arena.Root("r1022"), Page(arena, 1));

  char* pointer = Page(arena, 7) + 9;
  EXPECT_EQ(*arena.ToOffset(pointer), static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer)));
  EXPECT_EQ(*arena.FromOffset(*arena.ToOffset(pointer)), pointer);
  EXPECT_EQ(*arena.ToOffset(nullptr), 0u);
  EXPECT_EQ(*arena.FromOffset(0), nullptr);
  EXPECT_TRUE(absl::IsOutOfRange(arena.FromOffset(16 * 4096 + 1).status()));
}

TEST_P(ArenaTest, SeveralArenas) {
  std::vector<Arena> arenas;
  for (int i = 0; i < 20; ++i) arenas.push_back(Make(100, GetParam()));
  for (uint64_t page = 0; page < 100; ++page) {
    for (size_t i = 0; i < arenas.size(); ++i) *Page(arenas[i], page) = static_cast<char>(i + page);
  }
  arenas.erase(arenas.begin() + 5, arenas.begin() + 10);
  for (uint64_t page = 0; page < 100; ++page) {
    EXPECT_EQ(*Page(arenas[4], page), static_cast<char>(4 + page));
    EXPECT_EQ(*Page(arenas[5], page), static_cast<char>(10 + page));
  }
  const Arena moved = std::move(arenas[0]);
  EXPECT_EQ(*Page(moved, 1), 1);
}

TEST_P(ArenaTest, SendAndReceive) {
  for (const int kind : {SOCK_STREAM, SOCK_SEQPACKET}) {
    Arena arena = Make(64, GetParam());
    *Page(arena, 5) = 42;
    ASSERT_TRUE(arena.SetRoot("root", Page(arena, 5)).ok());
    int sockets[2];
    ASSERT_EQ(socketpair(AF_UNIX, kind, 0, sockets), 0);
    // A process that has nothing of ours but the socket.
    const std::string fd = absl::StrCat(sockets[1]);
    const std::string mode(FaultModeName(GetParam()));
    const std::string filter = "--gtest_filter=ReceiverProcess.*";
    setenv("UARENA_RECEIVER_FD", fd.c_str(), 1);
    setenv("UARENA_RECEIVER_MODE", mode.c_str(), 1);
    char* const arguments[] = {const_cast<char*>("arena_test"), const_cast<char*>(filter.c_str()),
                               nullptr};
    pid_t child;
    ASSERT_EQ(posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ), 0);
    ASSERT_TRUE(arena.Send(sockets[0]).ok());
    EXPECT_EQ(Wait(child), 0);
    unsetenv("UARENA_RECEIVER_FD");
    EXPECT_EQ(*Page(arena, 5), 43);
    EXPECT_EQ(*Page(arena, 6), 44);
    close(sockets[0]);
    close(sockets[1]);
  }
}

// Not a test of its own: the other process of SendAndReceive.
TEST(ReceiverProcess, Works) {
  const char* fd = getenv("UARENA_RECEIVER_FD");
  if (fd == nullptr) GTEST_SKIP() << "run by SendAndReceive";
  const std::string wanted = getenv("UARENA_RECEIVER_MODE");
  ArenaOptions options;
  for (const FaultMode mode : {FaultMode::kInPlace, FaultMode::kThread, FaultMode::kKernel}) {
    if (wanted == FaultModeName(mode)) options.fault_mode = mode;
  }
  const absl::StatusOr<Arena> arena = Arena::Receive(atoi(fd), options);
  ASSERT_TRUE(arena.ok()) << arena.status();
  auto* root = static_cast<char*>(*arena->Root("root"));
  ASSERT_EQ(*root, 42);
  *root = 43;
  root[arena->page_size()] = 44;
  EXPECT_EQ(arena->Stats()->processes, 2u);
}

INSTANTIATE_TEST_SUITE_P(Modes, ArenaTest, EmbeddedModes(), ModeName);

TEST(ArenaOptionsTest, BadOptionsAreNamed) {
  struct Case {
    ArenaOptions options;
    absl::StatusCode code;
    const char* text;
  };
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  auto with = [](auto change) {
    ArenaOptions options;
    options.max_pages = 16;
    change(options);
    return options;
  };
  const Case cases[] = {
      {with([](auto& o) { o.max_pages = 0; }), absl::StatusCode::kInvalidArgument,
       "max_pages is 0"},
      {with([](auto& o) { o.max_pages = uint64_t{1} << 50; }), absl::StatusCode::kOutOfRange,
       "max_pages 1125899906842624"},
      {with([](auto& o) { o.user_vm_start = 0x300000000123; }), absl::StatusCode::kInvalidArgument,
       "user_vm_start 0x300000000123"},
      {with([&](auto& o) { o.user_vm_start = 0x300100000000 - page; }),
       absl::StatusCode::kOutOfRange, "4 GiB boundary"},
      {with([](auto& o) { o.numa_node = 77; }), absl::StatusCode::kInvalidArgument, "numa_node 77"},
      {with([](auto& o) { o.max_populate_pages = 1 << 30; }), absl::StatusCode::kInvalidArgument,
       "max_populate_pages 1073741824"},
      {with([](auto& o) { o.fault_mode = FaultMode::kServed; }), absl::StatusCode::kInvalidArgument,
       "Arena::Open"},
      {with([](auto& o) {
         o.fault_mode = FaultMode::kKernel;
         o.segv_on_fault = true;
       }),
       absl::StatusCode::kFailedPrecondition, "segv_on_fault"},
      {with([](auto& o) { o.fault_mode = static_cast<FaultMode>(9); }),
       absl::StatusCode::kInvalidArgument, "fault_mode 9"},
      {with([](auto& o) { o.page_size = static_cast<PageSize>(7); }),
       absl::StatusCode::kInvalidArgument, "page_size 7"},
  };
  for (const Case& test : cases) {
    const absl::Status status = Arena::Create(test.options).status();
    EXPECT_EQ(status.code(), test.code) << status;
    EXPECT_THAT(status.ToString(), HasSubstr(test.text));
  }
}

TEST(ArenaOptionsTest, TakenAddressSaysByWhat) {
  const Arena first = Make(16);
  ArenaOptions options;
  options.max_pages = 16;
  options.user_vm_start = reinterpret_cast<uint64_t>(first.base());
  const absl::Status status = Arena::Create(options).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr(absl::StrCat(absl::Hex(options.user_vm_start))));
}

TEST(ArenaOptionsTest, ChosenAddressAndFourGiB) {
  ArenaOptions options;
  options.max_pages = (uint64_t{1} << 32) / static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  Arena arena = *Arena::Create(options);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.base()) % (uint64_t{1} << 32), 0u);
  char* last = Page(arena, options.max_pages - 1) + arena.page_size() - 1;
  *last = 1;
  EXPECT_EQ(*arena.ToOffset(last), 0xffffffffu);
}

TEST(ArenaArgumentsTest, BadArgumentsAreNamedAndChangeNothing) {
  Arena arena = Make(100);
  char* base = static_cast<char*>(arena.base());
  const uint64_t page = arena.page_size();
  int local = 0;
  auto expect = [](const absl::Status& status, absl::StatusCode code, const char* text) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.ToString(), HasSubstr(text));
  };
  using Code = absl::StatusCode;
  expect(arena.AllocPages(nullptr, 0).status(), Code::kInvalidArgument, "count is 0");
  expect(arena.AllocPages(nullptr, 101).status(), Code::kOutOfRange, "count 101");
  expect(arena.AllocPages(base + 1, 1).status(), Code::kInvalidArgument, "not a multiple");
  expect(arena.AllocPages(base + 100 * page, 1).status(), Code::kOutOfRange, "not in the arena");
  expect(arena.AllocPages(base + 99 * page, 2).status(), Code::kOutOfRange, "1 pages past");
  expect(arena.AllocPages(nullptr, 1, 55).status(), Code::kInvalidArgument, "node 55");
  expect(arena.AllocPages(nullptr, 1, -2).status(), Code::kInvalidArgument, "node -2");
  expect(arena.FreePages(base, 0), Code::kInvalidArgument, "count is 0");
  expect(arena.FreePages(&local, 1), Code::kOutOfRange, "not in the arena");
  expect(arena.FreePages(nullptr, 1), Code::kOutOfRange, "not in the arena");
  expect(arena.FreePages(base, 1), Code::kFailedPrecondition, "double free");
  expect(arena.ReservePages(base + 5, 1), Code::kInvalidArgument, "not a multiple");
  expect(arena.ReservePages(base + 99 * page, 2), Code::kOutOfRange, "past the arena");
  expect(arena.Populate(base, 0), Code::kInvalidArgument, "bytes is 0");
  expect(arena.Populate(base, 101 * page), Code::kOutOfRange, "past the arena");
  expect(arena.Populate(&local, 1), Code::kOutOfRange, "not in the arena");
  expect(arena.SetRoot("", base), Code::kInvalidArgument, "root name");
  expect(arena.SetRoot("x", &local), Code::kOutOfRange, "ptr");
  expect(arena.Root("a b").status(), Code::kInvalidArgument, "a b");
  expect(arena.ToOffset(&local).status(), Code::kOutOfRange, "ptr");
  ASSERT_TRUE(arena.ReservePages(base, 1).ok());
  expect(arena.AllocPages(base, 1).status(), Code::kAlreadyExists, "allocated or reserved");
  expect(arena.ReservePages(base, 2), Code::kAlreadyExists, "allocated or reserved");
  ASSERT_TRUE(arena.FreePages(base, 1).ok());
  EXPECT_FALSE(arena.Contains(&local));
  EXPECT_EQ(arena.Stats()->free_pages, 100u);
  EXPECT_EQ(arena.Stats()->populated_pages, 0u);
}

TEST(SendTest, OnlyOverConnectedUnixSockets) {
  const Arena arena = Make(1);
  const UniqueFd udp(socket(AF_INET, SOCK_DGRAM, 0));
  const UniqueFd unconnected(socket(AF_UNIX, SOCK_STREAM, 0));
  const UniqueFd file(open("/dev/null", O_RDWR));
  for (const int fd : {udp.get(), unconnected.get(), file.get(), -1}) {
    for (const absl::Status& status : {arena.Send(fd), Arena::Receive(fd).status()}) {
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
      EXPECT_THAT(status.ToString(), HasSubstr(absl::StrCat("socket_fd ", fd)));
    }
  }
}

TEST(ProbeTest, SaysWhatIsPicked) {
  const KernelAbilities abilities = ProbeKernel();
  EXPECT_FALSE(abilities.picked_reason.empty());
  EXPECT_EQ(abilities.page_size, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  const Arena arena = Make(1);
  EXPECT_EQ(arena.fault_mode(), abilities.picked);
  EXPECT_THAT(arena.fault_mode_reason(), HasSubstr(std::string(FaultModeName(abilities.picked))));
}

}  // namespace
}  // namespace uarena
