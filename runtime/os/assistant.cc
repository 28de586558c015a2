// SPDX-License-Identifier: Apache-2.0
#include "os/assistant.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "os/syscall.h"

namespace uarena {
namespace {

// How long it looks for the next job before it sleeps: longer than a thread that works through
// fresh pages takes from one fault to the next, shorter than it takes to wake up.
constexpr uint64_t kSpinNs = 60'000;

// Under the mutex. One reference is kept by each holder, none here.
std::mutex g_mutex;
std::weak_ptr<Assistant> g_assistant;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

bool CanHaveOne() {
  if (DoWithoutThreads()) return false;
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) >= 2;
}

}  // namespace

std::shared_ptr<Assistant> Assistant::Get() {
  const std::lock_guard<std::mutex> lock(g_mutex);
  std::shared_ptr<Assistant> assistant = g_assistant.lock();
  if (assistant != nullptr || !CanHaveOne()) return assistant;
  try {
    assistant.reset(new Assistant());
  } catch (const std::system_error&) {
    return nullptr;  // no more threads
  }
  g_assistant = assistant;
  return assistant;
}

void Assistant::AbandonInChild() {
  // Its last holder must not destroy it: it would join a thread that does not exist.
  if (std::shared_ptr<Assistant> old = g_assistant.lock(); old != nullptr) {
    old->thread_.release()->AbandonInChild();
    old->wake_.reset();
    old->busy_.store(true);  // for good, so that callers do their work alone
    new std::shared_ptr<Assistant>(old);
  }
  g_assistant.reset();
}

Assistant::Assistant() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::make_unique<BackgroundThread>("uarena-assist", [this](int fd) { Loop(fd); });
}

Assistant::~Assistant() = default;

bool Assistant::TakeFront(uint32_t* chunk) {
  uint64_t left = chunks_.load(std::memory_order_relaxed);
  do {
    *chunk = static_cast<uint32_t>(left);
    if (*chunk == left >> 32) return false;
  } while (!chunks_.compare_exchange_weak(left, left + 1, std::memory_order_acq_rel));
  return true;
}

bool Assistant::TakeBack(uint32_t* chunk) {
  uint64_t left = chunks_.load(std::memory_order_relaxed);
  do {
    if (static_cast<uint32_t>(left) == left >> 32) return false;
    *chunk = static_cast<uint32_t>(left >> 32) - 1;
  } while (
      !chunks_.compare_exchange_weak(left, left - (uint64_t{1} << 32), std::memory_order_acq_rel));
  return true;
}

void Assistant::WakeUp() {
  if (!sleeping_.load()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

void Assistant::Run(SplitWork& work, uint32_t chunks) {
  if (busy_.exchange(true, std::memory_order_acquire)) {
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) work.DoChunk(chunk);
    return;
  }
  chunks_.store(uint64_t{chunks} << 32, std::memory_order_relaxed);
  work_.store(&work);
  jobs_.fetch_add(1);
  WakeUp();
  uint32_t chunk = 0;
  while (TakeFront(&chunk)) work.DoChunk(chunk);
  work_.store(nullptr);
  // It has announced itself before it looked at work_: either it saw null, or we see it here. It
  // has a chunk at most to finish, but perhaps no processor.
  for (int spins = 0; assisting_.load(); ++spins) spins < 1000 ? Pause() : void(sched_yield());
  busy_.store(false, std::memory_order_release);
}

void Assistant::Assist() {
  assisting_.store(true);
  if (SplitWork* work = work_.load(); work != nullptr) {
    uint32_t chunk = 0;
    while (TakeBack(&chunk)) work->DoChunk(chunk);
  }
  assisting_.store(false);
}

bool Assistant::StepIdle() {
  if (!has_idle_.load()) return false;
  const std::lock_guard<std::mutex> lock(idle_mutex_);
  if (!idle_.empty() && !idle_.front()->Step()) idle_.erase(idle_.begin());
  has_idle_.store(!idle_.empty());
  return true;
}

void Assistant::AddIdle(IdleWork* work) {
  {
    const std::lock_guard<std::mutex> lock(idle_mutex_);
    idle_.push_back(work);
    has_idle_.store(true);
  }
  WakeUp();
}

void Assistant::RemoveIdle(IdleWork* work) {
  const std::lock_guard<std::mutex> lock(idle_mutex_);
  idle_.erase(std::remove(idle_.begin(), idle_.end(), work), idle_.end());
}

void Assistant::Sleep(int stop_fd) {
  pollfd fds[2] = {{stop_fd, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  poll(fds, 2, -1);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t bytes = read(wake_.get(), &count, sizeof(count));
}

void Assistant::Loop(int stop_fd) {
  uint32_t seen = 0;
  uint64_t idle_since = sys::NowNs();
  while (true) {
    const uint32_t jobs = jobs_.load();
    if (jobs != seen) {
      seen = jobs;
      Assist();
    } else if (!StepIdle()) {
      if (sys::NowNs() - idle_since < kSpinNs) {
        Pause();
        continue;
      }
      // Who begins a job after this looks at sleeping_ after that.
      sleeping_.store(true);
      if (jobs_.load() == seen && !has_idle_.load()) Sleep(stop_fd);
      sleeping_.store(false);
      pollfd stop = {stop_fd, POLLIN, 0};
      if (poll(&stop, 1, 0) == 1) return;
    }
    idle_since = sys::NowNs();
  }
}

}  // namespace uarena
