// SPDX-License-Identifier: Apache-2.0
#include "daemon/fault_lane.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "fault/handler_thread.h"
#include "fault/resolver.h"
#include "fault/spin.h"
#include "ipc/channel.h"
#include "os/status.h"
#include "os/syscall.h"

namespace uarena {
namespace {

constexpr size_t kStackBytes = 1 << 20;
// Interrupts a read of a userfaultfd that the client has made blocking.
constexpr int kInterrupt = SIGUSR2;

enum Phase : int { kWaiting, kServing, kStopping };

void InstallInterrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(kInterrupt, &action, nullptr);
}

}  // namespace

struct FaultLane::State {
  std::shared_ptr<NamedArena> arena;
  UniqueFd uffd;
  UniqueFd socket;
  UniqueFd wake;
  uint32_t process_slot = 0;
  std::atomic<int> phase{kWaiting};
  std::atomic<int> tid{0};
  std::atomic<bool> ended{false};

  void Wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake.get(), &one, sizeof(one));
  }

  void Serve() {
    const PageContext context = arena->ContextFor(uffd.get());
    Resolver resolver(Allocator(context, arena->daemon_slot()), process_slot);
    auto refuse = [this](int thread, uint64_t address) {
      // A client that does not read it leaves its own thread waiting.
      SendFrame(socket.get(), FrameType::kRefused, RefusedPayload{address, thread, 0}, {}, false)
          .IgnoreError();
    };
    pollfd fds[2] = {{uffd.get(), POLLIN, 0}, {wake.get(), POLLIN, 0}};
    SpinPolicy spin;
    while (phase.load() == kServing) {
      const BatchResult batch = ServeFaults(uffd.get(), arena->geometry(), resolver, refuse);
      if (batch.gone) return;
      const uint64_t now = sys::NowNs();
      if (batch.messages > 0) {
        spin.Served(batch.arrived_ns, now);
      } else if (spin.KeepLooking(now)) {
        sched_yield();  // to the client, should it share our processor
      } else {
        poll(fds, 2, -1);
      }
    }
  }
};

void* FaultLane::Run(void* argument) {
  const std::unique_ptr<std::shared_ptr<State>> held(
      static_cast<std::shared_ptr<State>*>(argument));
  State& state = **held;
  state.tid.store(sys::GetTid());
  pthread_setname_np(pthread_self(), "uarenad-faults");
  pollfd wake{state.wake.get(), POLLIN, 0};
  while (state.phase.load() == kWaiting) poll(&wake, 1, -1);
  uint64_t count = 0;
  if (state.phase.load() == kServing) {
    [[maybe_unused]] const ssize_t drained = read(state.wake.get(), &count, sizeof(count));
    state.Serve();
  }
  // Here, where it may take what time it likes.
  state.uffd.reset();
  state.arena.reset();
  state.ended.store(true);
  return nullptr;
}

absl::StatusOr<std::unique_ptr<FaultLane>> FaultLane::Start(std::shared_ptr<NamedArena> arena,
                                                            UniqueFd uffd, uint32_t process_slot,
                                                            int socket) {
  auto state = std::make_shared<State>();
  state->arena = std::move(arena);
  state->uffd = std::move(uffd);
  state->process_slot = process_slot;
  state->wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  state->socket.reset(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!state->wake.valid() || !state->socket.valid()) {
    return ErrnoStatus(errno, "descriptors for serving faults");
  }
  static const bool installed = (InstallInterrupt(), true);
  static_cast<void>(installed);
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  sigdelset(&blocked, kInterrupt);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  auto argument = std::make_unique<std::shared_ptr<State>>(state);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, Run, argument.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    return absl::ResourceExhaustedError(
        "uarenad can have no more threads to serve faults; use another fault_mode, or raise its "
        "limit (TasksMax, RLIMIT_NPROC)");
  }
  static_cast<void>(argument.release());  // the thread has it
  return std::unique_ptr<FaultLane>(new FaultLane(std::move(state)));
}

void FaultLane::Go() {
  int expected = kWaiting;
  if (state_->phase.compare_exchange_strong(expected, kServing)) state_->Wake();
}

void FaultLane::Stop() {
  state_->phase.store(kStopping);
  state_->Wake();
  if (const int tid = state_->tid.load(); tid != 0 && !ended()) {
    syscall(SYS_tgkill, getpid(), tid, kInterrupt);
  }
}

bool FaultLane::ended() const { return state_->ended.load(); }

}  // namespace uarena
