// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_OS_BACKGROUND_THREAD_H_
#define UARENA_OS_BACKGROUND_THREAD_H_

#include <functional>
#include <thread>

#include "os/fd.h"

namespace uarena {

// A thread of the library: it takes none of the program's signals but SIGBUS, and runs by the time
// the constructor returns, since a fork in the middle of a thread's start would copy locks that the
// start holds.
class BackgroundThread {
 public:
  // `body` must return soon after its argument, a descriptor, has become readable.
  BackgroundThread(const char* name, std::function<void(int stop_fd)> body);
  // Makes it readable and joins.
  ~BackgroundThread();
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  // In a forked child, where the thread does not exist: closes what it had. The object must then be
  // left alone, since a thread object that was never joined cannot be destroyed.
  void AbandonInChild() { stop_.reset(); }

 private:
  UniqueFd stop_;
  std::thread thread_;
};

// In a forked child, before it starts a thread.
void NoteForkedChild();

// True in a forked child of a build with ThreadSanitizer, which takes a thread that such a child
// starts for one that the parent had: there, do without threads that can be done without.
bool DoWithoutThreads();

}  // namespace uarena

#endif  // UARENA_OS_BACKGROUND_THREAD_H_
