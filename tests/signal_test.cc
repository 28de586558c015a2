// SPDX-License-Identifier: Apache-2.0
//
// The in-place engine lives with the program's own signals: handlers that were there before, SIGBUS
// and SIGSEGV that are none of ours, faults taken inside signal handlers.
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "os/syscall.h"
#include "tests/support/arena_process.h"
#include "tests/support/modes.h"
#include "uarena/arena.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Wait;

Arena Make(bool segv_on_fault = false, FaultMode mode = FaultMode::kInPlace) {
  ArenaOptions options;
  options.max_pages = 10'000;
  options.segv_on_fault = segv_on_fault;
  options.fault_mode = mode;
  return std::move(Arena::Create(options)).value();
}

void Install(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(signal, &action, nullptr);
}

// A page past the end of a file: SIGBUS that is not the arena's.
char* BusErrorPage() {
  const int fd = sys::MemfdCreate("empty", false);
  return static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

sigjmp_buf g_escape;
std::atomic<void*> g_address;
std::atomic<int> g_code;
std::atomic<int> g_calls;

void Escape(int, siginfo_t* info, void*) {
  g_address.store(info->si_addr);
  g_code.store(info->si_code);
  g_calls.fetch_add(1);
  siglongjmp(g_escape, 1);
}

// The handler is installed once for a process, so each test has a process of its own.
#define IN_CHILD(...) EXPECT_EQ(Wait(Fork([&]() -> int __VA_ARGS__)), 0)

TEST(SignalTest, ForeignSigbusGoesToTheHandlerBefore) {
  IN_CHILD({
    Install(SIGBUS, Escape);
    const Arena arena = Make();
    char* foreign = BusErrorPage();
    if (sigsetjmp(g_escape, 1) == 0) {
      *foreign = 1;
      return 1;
    }
    if (g_address.load() != foreign || g_code.load() != BUS_ADRERR) return 2;
    *static_cast<char*>(arena.base()) = 1;  // ours still works
    return g_calls.load() == 1 ? 0 : 3;
  });
}

TEST(SignalTest, ForeignSigbusKillsWhereNothingWasBefore) {
  const pid_t child = Fork([&] {
    signal(SIGBUS, SIG_DFL);
    const Arena arena = Make();
    *BusErrorPage() = 1;
    return 0;
  });
  EXPECT_EQ(Wait(child), 1000 + SIGBUS);
  const pid_t sent = Fork([&] {
    signal(SIGBUS, SIG_DFL);
    const Arena arena = Make();
    kill(getpid(), SIGBUS);
    return 0;
  });
  EXPECT_EQ(Wait(sent), 1000 + SIGBUS);
}

TEST(SignalTest, SentSigbusIsIgnoredWhereItWas) {
  IN_CHILD({
    signal(SIGBUS, SIG_IGN);
    const Arena arena = Make();
    kill(getpid(), SIGBUS);
    *static_cast<char*>(arena.base()) = 1;
    return 0;
  });
}

TEST(SignalTest, HandlerInstalledLaterMayAskUs) {
  IN_CHILD({
    const Arena arena = Make();
    Install(SIGBUS, [](int signal, siginfo_t* info, void* context) {
      g_calls.fetch_add(1);
      if (!HandleSigbus(signal, info, context)) _exit(9);
    });
    for (int page = 0; page < 10; ++page) static_cast<char*>(arena.base())[page * 50 * 4096] = 1;
    return g_calls.load() == 10 ? 0 : 1;
  });
}

Arena* g_arena;

TEST(SignalTest, FaultsInsideSignalHandlersAndInterruptedCalls) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer runs signal handlers with SIGBUS blocked";
#endif
  IN_CHILD({
    Arena arena = Make();
    g_arena = &arena;
    // Interrupts everything below, and touches and allocates itself.
    Install(SIGALRM, [](int, siginfo_t*, void*) {
      static uint64_t page = 5000;
      static_cast<char*>(g_arena->base())[(page++ % 5000 + 5000) * 4096] = 1;
      g_calls.fetch_add(1);
    });
    const itimerval often{{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, nullptr);
    for (int round = 0; round < 3000; ++round) {
      const auto pages = arena.AllocPages(nullptr, 3);
      if (!pages.ok()) return 1;
      static_cast<char*>(arena.base())[(round % 1000 + 1000) * 4096] = 1;
      if (!arena.FreePages(*pages, 3).ok()) return 2;
    }
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    if (g_calls.load() < 5) return 3;
    return arena.CheckInvariants().ok() ? 0 : 4;
  });
}

// Touches a byte in the middle of a page; whether that raised SIGSEGV with the page's address.
[[gnu::noinline]] bool TouchIsRefused(char* page) {
  if (sigsetjmp(g_escape, 1) == 0) {
    static_cast<volatile char*>(page)[17] = 1;
    return false;
  }
  // A message of userfaultfd has the address of the page, not of the byte.
  return (reinterpret_cast<uint64_t>(g_address.load()) & ~4095UL) ==
         reinterpret_cast<uint64_t>(page);
}

class SegvTest : public ::testing::TestWithParam<FaultMode> {};

TEST_P(SegvTest, UnallocatedTouchRaisesSigsegvAtTheInstruction) {
  IN_CHILD({
    Arena arena = Make(true, GetParam());
    Install(SIGSEGV, Escape);
    auto* pages = static_cast<char*>(*arena.AllocPages(nullptr, 2));
    pages[0] = pages[4096] = 1;
    if (!TouchIsRefused(pages + 2 * 4096) || !TouchIsRefused(pages + 9999 * 4096)) return 1;
    if (!arena.FreePages(pages, 1).ok()) return 3;
    if (!TouchIsRefused(pages)) return 4;
    // A reserved page is not an allocated one.
    if (!arena.ReservePages(pages + 8 * 4096, 1).ok()) return 5;
    if (!TouchIsRefused(pages + 8 * 4096)) return 6;
    if (!absl::IsFailedPrecondition(arena.Populate(pages, 1))) return 8;
    return arena.Stats()->populated_pages == 1 ? 0 : 9;
  });
}

TEST_P(SegvTest, KillsByDefault) {
  const pid_t child = Fork([&] {
    const Arena arena = Make(true, GetParam());
    signal(SIGSEGV, SIG_DFL);
    *static_cast<char*>(arena.base()) = 1;
    return 0;
  });
  EXPECT_EQ(Wait(child), 1000 + SIGSEGV);
}

TEST_P(SegvTest, SystemCallsGetEfault) {
  IN_CHILD({
    Arena arena = Make(true, GetParam());
    int fds[2];
    if (pipe(fds) != 0) return 1;
    if (write(fds[1], arena.base(), 1) != -1 || errno != EFAULT) return 2;
    if (!arena.AllocPages(arena.base(), 1).ok()) return 3;
    return write(fds[1], arena.base(), 1) == 1 ? 0 : 4;
  });
}

INSTANTIATE_TEST_SUITE_P(Modes, SegvTest,
                         ::testing::Values(FaultMode::kInPlace, FaultMode::kThread),
                         testing::ModeName);

// As the kernel does with a fault that it cannot deliver.
TEST(SignalTest, SegvKillsWhereItIsBlockedOrIgnored) {
  for (const bool blocked : {false, true}) {
    const pid_t child = Fork([&] {
      const Arena arena = Make(true);
      signal(SIGSEGV, blocked ? SIG_DFL : SIG_IGN);
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGSEGV);
      if (blocked) sigprocmask(SIG_BLOCK, &set, nullptr);
      *static_cast<char*>(arena.base()) = 1;
      return 0;
    });
    EXPECT_EQ(Wait(child), 1000 + SIGSEGV);
  }
}

// The instruction that is refused can be stepped over, as with the kernel's own SIGSEGV.
#if defined(__x86_64__)
TEST(SignalTest, SegvContextIsTheFaultingInstructions) {
  IN_CHILD({
    const Arena arena = Make(true);
    Install(SIGSEGV, [](int, siginfo_t*, void* context) {
      static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += 3;
      g_calls.fetch_add(1);
    });
    asm volatile("movb $1, (%0)" ::"r"(arena.base()) : "memory");  // 3 bytes
    return g_calls.load() == 1 ? 0 : 1;
  });
}
#endif

}  // namespace
}  // namespace uarena
