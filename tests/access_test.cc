// SPDX-License-Identifier: Apache-2.0
//
// Who may open an arena and how: owner, mode, limits of a user; and attaching for reading, from
// which no way leads to writing.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/daemon_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ipc/channel.h"
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

constexpr uid_t kSomebody = 65534;
constexpr uid_t kSomebodyElse = 65533;
constexpr gid_t kGroup = 4242;

class AccessTest : public ::testing::Test {
 protected:
  explicit AccessTest(std::vector<std::string> flags = {}) : daemon_(std::move(flags)) {
    // Others have to get to the socket.
    chmod(daemon_.socket().substr(0, daemon_.socket().rfind('/')).c_str(), 0755);
  }
  ArenaOptions Options() {
    ArenaOptions options;
    options.max_pages = 1000;
    options.socket_path = daemon_.socket();
    return options;
  }
  ArenaOptions ReadOnly() {
    ArenaOptions options = Options();
    options.max_pages = 0;
    options.create = false;
    options.read_only = true;
    return options;
  }
  // Runs `body` in a child of another user; its status.
  static int As(uid_t uid, gid_t gid, const std::vector<gid_t>& more,
                const std::function<int()>& body) {
    return Wait(Fork([&] {
      if (setgroups(more.size(), more.data()) != 0 || setgid(gid) != 0 || setuid(uid) != 0) {
        return 99;
      }
      return body();
    }));
  }
  static char* Page(const Arena& arena, uint64_t page) {
    return static_cast<char*>(arena.base()) + page * arena.page_size();
  }
  // What opening answers: 0 ok, 1 permission denied, 2 something else.
  int TryOpen(const std::string& name, bool read_only) {
    ArenaOptions options = Options();
    options.read_only = read_only;
    options.create = false;
    const absl::Status status = OpenFromDaemon(name, options).status();
    return status.ok() ? 0 : absl::IsPermissionDenied(status) ? 1 : 2;
  }

  TestDaemon daemon_;
};

TEST_F(AccessTest, ModesMeanWhatTheyMeanForFiles) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become other users";
  struct Case {
    uint32_t mode;
    uid_t uid;
    std::vector<gid_t> groups;
    bool may_read;
    bool may_write;
  };
  const Case cases[] = {
      {0600, kSomebody, {}, true, true},
      {0600, kSomebodyElse, {kGroup}, false, false},
      {0640, kSomebodyElse, {kGroup}, true, false},
      {0640, kSomebodyElse, {}, false, false},
      {0660, kSomebodyElse, {kGroup}, true, true},
      {0666, kSomebodyElse, {}, true, true},
      {0604, kSomebodyElse, {}, true, false},
      // The first that fits decides, as for a file.
      {0066, kSomebody, {kGroup}, false, false},
      {0606, kSomebodyElse, {kGroup}, false, false},
      {0000, 0, {}, true, true},
  };
  int number = 0;
  for (const Case& c : cases) {
    const std::string name = absl::StrCat("arena-", number++);
    ASSERT_EQ(As(kSomebody, kGroup, {},
                 [&] {
                   ArenaOptions options = Options();
                   options.mode = c.mode;
                   return OpenFromDaemon(name, options).ok() || (c.mode & 0600) == 0 ? 0 : 1;
                 }),
              0)
        << name;
    EXPECT_EQ(As(c.uid, c.uid, c.groups,
                 [&] {
                   int wrong = 0;
                   wrong |= TryOpen(name, true) == (c.may_read ? 0 : 1) ? 0 : 1;
                   wrong |= TryOpen(name, false) == (c.may_write ? 0 : 1) ? 0 : 2;
                   bool listed = false;
                   const auto list = ListArenas(daemon_.socket()).value();
                   for (const ArenaEntry& entry : list) {
                     listed |= ReadText(entry.name, sizeof(entry.name)) == name;
                   }
                   wrong |= listed == (c.may_read || c.may_write) ? 0 : 4;
                   return wrong;
                 }),
              0)
        << "mode " << std::oct << c.mode << " user " << std::dec << c.uid;
    // Only its owner and root may take the name away.
    EXPECT_EQ(
        As(kSomebodyElse, kGroup, {},
           [&] { return absl::IsPermissionDenied(RemoveArena(daemon_.socket(), name)) ? 0 : 1; }),
        0);
  }
}

TEST_F(AccessTest, OwnerAndModeSurviveARestart) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become other users";
  ArenaOptions options = Options();
  options.mode = 0604;
  const absl::StatusOr<Arena> arena = Arena::Open("a", options);
  ASSERT_TRUE(arena.ok()) << arena.status();
  daemon_.Kill(SIGKILL);
  daemon_.Start();
  EXPECT_EQ(As(kSomebody, kSomebody, {},
               [&] { return TryOpen("a", true) == 0 && TryOpen("a", false) == 1 ? 0 : 1; }),
            0);
}

TEST_F(AccessTest, ModesThatMeanNothingAreRefused) {
  for (const uint32_t mode : {0700u, 01600u, 07777u, 1u}) {
    ArenaOptions options = Options();
    options.mode = mode;
    const absl::Status status = Arena::Open("a", options).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(status.ToString(), HasSubstr("mode 0"));
  }
}

class ReadOnlyTest : public AccessTest {
 protected:
  void SetUp() override {
    ArenaOptions options = Options();
    options.mode = 0644;
    absl::StatusOr<Arena> arena = Arena::Open("a", options);
    ASSERT_TRUE(arena.ok()) << arena.status();
    arena_ = std::make_unique<Arena>(*std::move(arena));
    first_ = static_cast<char*>(arena_->AllocPages(nullptr, 4).value());
    strcpy(first_, "written by the owner");
    ASSERT_TRUE(arena_->SetRoot("first", first_).ok());
    ASSERT_TRUE(arena_->SetRoot("second", first_ + 100).ok());
  }
  // A reader in a process of its own, which first lets go of the copy that it inherits.
  int Reader(uid_t uid, const std::function<int(Arena&)>& body) {
    return Wait(Fork([&] {
      arena_.reset();
      if (uid != geteuid() && (setgid(uid) != 0 || setuid(uid) != 0)) return 99;
      absl::StatusOr<Arena> arena = Arena::Open("a", ReadOnly());
      if (!arena.ok()) {
        fprintf(stderr, "%s\n", arena.status().ToString().c_str());
        return 98;
      }
      return body(*arena);
    }));
  }

  std::unique_ptr<Arena> arena_;
  char* first_ = nullptr;
};

TEST_F(ReadOnlyTest, SeesWhatIsWrittenAndTheRoots) {
  testing::Shared<std::atomic<int>> step;
  const pid_t writer = Fork([&] {
    while (step->load() != 1) usleep(1000);
    strcpy(first_, "written later");
    arena_->SetRoot("first", nullptr).IgnoreError();
    step->store(2);
    pause();
    return 0;
  });
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     const absl::StatusOr<void*> root = arena.Root("first");
                     if (!root.ok() || *root != first_) return 1;
                     if (strcmp(first_, "written by the owner") != 0) return 2;
                     step->store(1);
                     while (step->load() != 2) usleep(1000);
                     if (strcmp(first_, "written later") != 0) return 3;
                     if (!absl::IsNotFound(arena.Root("first").status())) return 4;
                     if (arena.RootNames() != std::vector<std::string>{"second"}) return 5;
                     const absl::StatusOr<ArenaStats> stats = arena.Stats();
                     if (!stats.ok() || stats->allocated_pages != 4) return 6;
                     // This process is no member of it.
                     if (stats->processes != 2 || arena.name() != "a") return 7;
                     return arena.max_pages() == 1000 ? 0 : 8;
                   }),
            0);
  kill(writer, SIGKILL);
  Wait(writer);
}

TEST_F(ReadOnlyTest, ManyRootsComeInSeveralFrames) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(arena_->SetRoot(absl::StrCat("root-", i), first_ + i).ok());
  }
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     if (arena.RootNames().size() != 102) return 1;
                     for (int i = 0; i < 100; ++i) {
                       if (arena.Root(absl::StrCat("root-", i)).value() != first_ + i) return 2;
                     }
                     return 0;
                   }),
            0);
}

TEST_F(ReadOnlyTest, CannotBecomeWriting) {
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     if (mprotect(arena.base(), arena.size(), PROT_READ | PROT_WRITE) == 0)
                       return 1;
                     *first_ = 'x';
                     return 2;
                   }),
            1000 + SIGSEGV);
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     return mprotect(arena.base(), arena.size(), PROT_READ | PROT_WRITE) != 0 &&
                                    errno == EACCES
                                ? 0
                                : 1;
                   }),
            0);
  EXPECT_STREQ(first_, "written by the owner");
}

TEST_F(ReadOnlyTest, AnotherUserCannotReopenItForWriting) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  EXPECT_EQ(As(kSomebody, kSomebody, {},
               [&] {
                 const absl::StatusOr<OpenedArena> opened = OpenFromDaemon("a", ReadOnly());
                 if (!opened.ok()) return 1;
                 if (opened->control.valid() || opened->deed.valid()) return 2;
                 if (sys::Reopen(opened->data.get()) != -EACCES) return 3;
                 if (pwrite(opened->data.get(), "x", 1, 0) == 1) return 4;
                 if (fallocate(opened->data.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                               4096) == 0) {
                   return 5;
                 }
                 if (fchmod(opened->data.get(), 0666) == 0) return 6;
                 void* map =
                     mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, opened->data.get(), 0);
                 return map == MAP_FAILED ? 0 : 7;
               }),
            0);
  EXPECT_EQ(Reader(kSomebody, [&](Arena&) { return *first_ == 'w' ? 0 : 1; }), 0);
}

TEST_F(ReadOnlyTest, CallsThatWouldChangeItSayWhyNot) {
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     int number = 0;
                     for (const absl::Status& status :
                          {arena.AllocPages(nullptr, 1).status(), arena.FreePages(first_, 1),
                           arena.ReservePages(first_, 1), arena.Populate(first_, 1),
                           arena.SetRoot("x", first_), arena.Recover().status(),
                           arena.CheckInvariants(), arena.Send(0)}) {
                       ++number;
                       if (!absl::IsFailedPrecondition(status)) return number;
                       if (status.message().find("read_only") == std::string::npos) return 50;
                     }
                     return 0;
                   }),
            0);
}

// Readers make zero pages exist by reading; the allocator must neither be confused nor hand out
// anything else than zeros.
TEST_F(ReadOnlyTest, ReadingHolesHarmsNobody) {
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     for (uint64_t page = 0; page < 1000; page += 3) {
                       if (*static_cast<volatile char*>(Page(arena, page) + 4095) != 0) return 1;
                     }
                     return 0;
                   }),
            0);
  EXPECT_EQ(arena_->CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(arena_->Stats()->allocated_pages, 4u);
  auto* pages = static_cast<char*>(arena_->AllocPages(nullptr, 900).value());
  for (size_t i = 0; i < 900 * arena_->page_size(); ++i) ASSERT_EQ(pages[i], 0) << i;
  ASSERT_TRUE(arena_->FreePages(arena_->base(), 1000).ok());
  EXPECT_EQ(arena_->CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(arena_->Stats()->populated_pages, 0u);
}

TEST_F(ReadOnlyTest, QuestionsAreAnsweredAfterARestart) {
  testing::Shared<std::atomic<int>> step;
  const pid_t reader = Fork([&] {
    arena_.reset();
    absl::StatusOr<Arena> arena = Arena::Open("a", ReadOnly());
    if (!arena.ok() || !arena->Root("first").ok()) return 1;
    step->store(1);
    while (step->load() != 2) usleep(1000);
    if (*first_ != 'w') return 2;
    const absl::StatusOr<void*> root = arena->Root("first");
    if (!root.ok()) fprintf(stderr, "%s\n", root.status().ToString().c_str());
    return root.ok() && *root == first_ ? 0 : 3;
  });
  while (step->load() != 1) usleep(1000);
  daemon_.Kill(SIGKILL);
  daemon_.Start();
  step->store(2);
  EXPECT_EQ(Wait(reader), 0);
}

TEST_F(ReadOnlyTest, AForkedReaderReadsAndAsks) {
  EXPECT_EQ(Reader(geteuid(),
                   [&](Arena& arena) {
                     return Wait(
                         Fork([&] { return *first_ == 'w' && arena.Root("second").ok() ? 0 : 1; }));
                   }),
            0);
}

TEST_F(AccessTest, ReadersOfSegvOnFaultArenasGetSigsegv) {
  if (!ProbeKernel().userfaultfd) GTEST_SKIP() << "needs userfaultfd";
  ArenaOptions options = Options();
  options.segv_on_fault = true;
  auto arena = std::make_unique<Arena>(std::move(Arena::Open("s", options)).value());
  auto* page = static_cast<char*>(arena->AllocPages(nullptr, 1).value());
  strcpy(page, "here");
  testing::Shared<std::atomic<int>> step;
  const pid_t reader = Fork([&] {
    arena.reset();
    absl::StatusOr<Arena> reading = Arena::Open("s", ReadOnly());
    if (!reading.ok()) {
      fprintf(stderr, "%s\n", reading.status().ToString().c_str());
      return 1;
    }
    if (strcmp(page, "here") != 0) return 2;
    step->store(1);
    while (step->load() != 2) usleep(1000);
    if (strcmp(page, "changed") != 0) return 3;
    if (strcmp(page + reading->page_size(), "new") != 0) return 4;
    // In a forked copy as well.
    if (Wait(Fork([&] { return static_cast<volatile char*>(page)[7 * 4096]; })) != 1000 + SIGSEGV) {
      return 5;
    }
    return static_cast<int>(static_cast<volatile char*>(page)[9 * reading->page_size()]);
  });
  while (step->load() != 1) usleep(1000);
  strcpy(page, "changed");
  auto* more = static_cast<char*>(arena->AllocPages(page + arena->page_size(), 1).value());
  strcpy(more, "new");
  step->store(2);
  EXPECT_EQ(Wait(reader), 1000 + SIGSEGV);
  // Nothing came into being by it.
  EXPECT_EQ(arena->Stats()->populated_pages, 2u);
  EXPECT_EQ(arena->CheckInvariants(), absl::OkStatus());
}

class LimitsTest : public AccessTest {
 protected:
  LimitsTest()
      : AccessTest({"--max_arenas_per_user=5", "--max_connections_per_user=10",
                    "--max_bytes_per_user=1000000000"}) {}
};

TEST_F(LimitsTest, ArenasOfAUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  EXPECT_EQ(As(kSomebody, kSomebody, {},
               [&] {
                 for (int i = 0; i < 5; ++i) {
                   if (!OpenFromDaemon(absl::StrCat("a", i), Options()).ok()) return 1;
                 }
                 const absl::Status status = OpenFromDaemon("a5", Options()).status();
                 if (!absl::IsResourceExhausted(status)) return 2;
                 if (status.message().find("max_arenas_per_user") == std::string::npos) return 3;
                 if (!RemoveArena(daemon_.socket(), "a0").ok()) return 4;
                 return OpenFromDaemon("a5", Options()).ok() ? 0 : 5;
               }),
            0);
  // Others have their own.
  EXPECT_EQ(As(kSomebodyElse, kSomebodyElse, {},
               [&] { return OpenFromDaemon("b", Options()).ok() ? 0 : 1; }),
            0);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(OpenFromDaemon(absl::StrCat("root-", i), Options()).ok());
  }
}

TEST_F(LimitsTest, BytesOfAUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  EXPECT_EQ(As(kSomebody, kSomebody, {},
               [&] {
                 ArenaOptions large = Options();
                 large.max_pages = 150'000;
                 if (!OpenFromDaemon("large", large).ok()) return 1;
                 const absl::Status status = OpenFromDaemon("second", large).status();
                 if (!absl::IsResourceExhausted(status)) return 2;
                 if (status.message().find("max_bytes_per_user") == std::string::npos) return 3;
                 if (!OpenFromDaemon("small", Options()).ok()) return 4;
                 if (!RemoveArena(daemon_.socket(), "large").ok()) return 5;
                 return OpenFromDaemon("second", large).ok() ? 0 : 6;
               }),
            0);
}

TEST_F(LimitsTest, ConnectionsOfAUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  EXPECT_EQ(As(kSomebody, kSomebody, {},
               [&] {
                 std::vector<UniqueFd> sockets;
                 for (int i = 0; i < 10; ++i) {
                   sockets.push_back(std::move(ConnectToDaemon(daemon_.socket())).value());
                   if (!Call(sockets.back().get(), FrameType::kList, NamePayload{}, {},
                             FrameType::kListed)
                            .ok()) {
                     return 1;
                   }
                 }
                 const absl::Status status = ListArenas(daemon_.socket()).status();
                 if (!absl::IsResourceExhausted(status)) {
                   fprintf(stderr, "%s\n", status.ToString().c_str());
                   return 2;
                 }
                 sockets.clear();
                 for (int i = 0; i < 1000; ++i) {
                   if (ListArenas(daemon_.socket()).ok()) return 0;
                   usleep(10'000);
                 }
                 return 3;
               }),
            0);
  EXPECT_TRUE(ListArenas(daemon_.socket()).ok());
}

}  // namespace
}  // namespace uarena
