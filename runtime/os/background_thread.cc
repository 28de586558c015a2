// SPDX-License-Identifier: Apache-2.0
#include "os/background_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <latch>
#include <utility>

namespace uarena {

namespace {

bool g_forked = false;

}  // namespace

void NoteForkedChild() { g_forked = true; }

bool DoWithoutThreads() {
#if defined(__SANITIZE_THREAD__)
  return g_forked;
#else
  return false;
#endif
}

BackgroundThread::BackgroundThread(const char* name, std::function<void(int stop_fd)> body)
    : stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);  // what touching an arena raises is for the thread that touches
  pthread_sigmask(SIG_BLOCK, &all, &before);
  std::latch running(1);
  thread_ = std::thread([name, body = std::move(body), stop_fd = stop_.get(), &running] {
    pthread_setname_np(pthread_self(), name);
    running.count_down();
    body(stop_fd);
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  running.wait();
}

BackgroundThread::~BackgroundThread() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof(one));
  thread_.join();
}

}  // namespace uarena
