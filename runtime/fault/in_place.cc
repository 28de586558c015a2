// SPDX-License-Identifier: Apache-2.0
#include "fault/in_place.h"

#include <ucontext.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include "os/syscall.h"

namespace uarena {
namespace {

// Looked up by the handler without a lock: a slot's resolver is stored last and cleared first.
struct Slot {
  std::atomic<uint64_t> base{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint32_t> page_shift{0};
  std::atomic<Resolver*> resolver{nullptr};
};
constexpr int kMaxArenas = 1024;
Slot g_slots[kMaxArenas];
std::atomic<int> g_slots_high{0};

std::mutex g_register_mutex;
bool g_installed = false;
struct sigaction g_previous {};

void ForwardToPrevious(int signal, siginfo_t* info, void* context) {
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(signal, info, context);
    return;
  }
  if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(signal);
    return;
  }
  // A fault cannot be ignored: the instruction would fault for ever. Let it kill us as it would
  // have.
  const bool sent = info->si_code <= 0;
  if (sent && g_previous.sa_handler == SIG_IGN) return;
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &standard, nullptr);
  if (sent) raise(SIGBUS);
}

void OnSigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (!ResolveSigbus(info, context)) ForwardToPrevious(signal, info, context);
  errno = saved_errno;
}

// The kernel kills a thread that faults with SIGSEGV blocked or ignored. A queued signal would wait
// or vanish instead, and the instruction fault again.
void MakeSegvDeliverable(ucontext_t* context) {
  struct sigaction current {};
  sigaction(SIGSEGV, nullptr, &current);
  const bool ignored = (current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == SIG_IGN;
  const bool blocked = sigismember(&context->uc_sigmask, SIGSEGV) == 1;
  if (!ignored && !blocked) return;
  current = {};
  current.sa_handler = SIG_DFL;
  sigaction(SIGSEGV, &current, nullptr);
  sigdelset(&context->uc_sigmask, SIGSEGV);
}

}  // namespace

bool RegisterInPlace(const Geometry& geometry, Resolver* resolver) {
  const std::lock_guard<std::mutex> lock(g_register_mutex);
  if (!g_installed) {
    struct sigaction action {};
    action.sa_sigaction = OnSigbus;
    // Everything is blocked while we resolve, SIGSEGV among it: see QueueSegv. NODEFER: a handler
    // we forward to may itself touch an arena.
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGBUS);
    if (sigaction(SIGBUS, &action, &g_previous) != 0) return false;
    g_installed = true;
  }
  for (int i = 0; i < kMaxArenas; ++i) {
    Slot& slot = g_slots[i];
    if (slot.resolver.load(std::memory_order_acquire) != nullptr) continue;
    slot.base.store(geometry.base, std::memory_order_relaxed);
    slot.bytes.store(geometry.bytes(), std::memory_order_relaxed);
    slot.page_shift.store(geometry.page_shift, std::memory_order_relaxed);
    slot.resolver.store(resolver, std::memory_order_release);
    if (g_slots_high.load(std::memory_order_relaxed) <= i) g_slots_high.store(i + 1);
    return true;
  }
  return false;
}

void UnregisterInPlace(Resolver* resolver) {
  const std::lock_guard<std::mutex> lock(g_register_mutex);
  for (Slot& slot : g_slots) {
    if (slot.resolver.load(std::memory_order_relaxed) == resolver) {
      slot.resolver.store(nullptr, std::memory_order_release);
    }
  }
}

bool ResolveSigbus(siginfo_t* info, void* context) {
  // Not a fault but a signal that somebody sent.
  if (info->si_code <= 0) return false;
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  const int high = g_slots_high.load(std::memory_order_acquire);
  for (int i = 0; i < high; ++i) {
    const Slot& slot = g_slots[i];
    Resolver* resolver = slot.resolver.load(std::memory_order_acquire);
    if (resolver == nullptr) continue;
    const uint64_t offset = address - slot.base.load(std::memory_order_relaxed);
    if (offset >= slot.bytes.load(std::memory_order_relaxed)) continue;
    const uint64_t page = offset >> slot.page_shift.load(std::memory_order_relaxed);
    if (resolver->Resolve(page, 1) != Resolution::kMapped) {
      MakeSegvDeliverable(static_cast<ucontext_t*>(context));
      QueueSegv(sys::GetTid(), address);
    }
    return true;
  }
  return false;
}

void QueueSegv(int tid, uint64_t address) {
  siginfo_t info{};
  info.si_signo = SIGSEGV;
  info.si_code = SEGV_MAPERR;
  info.si_addr = reinterpret_cast<void*>(address);
  // SIGSEGV is masked while our handler runs, so it is delivered when the handler returns, with the
  // faulting instruction as its context.
  if (sys::QueueSignal(tid, SIGSEGV, &info) == -EPERM) {
    // Only a thread itself may pretend that the kernel had sent it; the address is there all the
    // same.
    info.si_code = SI_QUEUE;
    sys::QueueSignal(tid, SIGSEGV, &info);
  }
}

}  // namespace uarena
