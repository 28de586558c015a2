// SPDX-License-Identifier: Apache-2.0
//
// One more thread for work that can be split: the kernel populates pages on every processor that
// asks, and most processes leave one idle while they fault.
//
// Example: 8 chunks. The caller takes 0, 1, 2, …, the assistant, once awake, 7, 6, 5, … until they
// meet; the caller returns when both are done. An assistant that does not wake up in time, since
// no processor is idle, has taken nothing, and nobody waits for it.
#ifndef UARENA_OS_ASSISTANT_H_
#define UARENA_OS_ASSISTANT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "os/background_thread.h"
#include "os/fd.h"

namespace uarena {

// Work in independent chunks, which two threads may do at once.
class SplitWork {
 public:
  virtual void DoChunk(uint32_t chunk) = 0;

 protected:
  ~SplitWork() = default;
};

// Work that can wait, in steps of some ten microseconds.
class IdleWork {
 public:
  // False: that was the last step.
  virtual bool Step() = 0;

 protected:
  ~IdleWork() = default;
};

// A process has one, as long as somebody holds it. Thread-safe.
class Assistant {
 public:
  // Null where there is only one processor to run on, or no thread to be had.
  static std::shared_ptr<Assistant> Get();
  // In a forked child, where the thread does not exist: the next Get makes a new one. What is held
  // of the old one does nothing.
  static void AbandonInChild();

  ~Assistant();
  Assistant(const Assistant&) = delete;
  Assistant& operator=(const Assistant&) = delete;

  // Does all chunks of `work`, together with the assistant if it has nothing else to do.
  // Async-signal-safe.
  void Run(SplitWork& work, uint32_t chunks);

  // Steps through `work` while there is nothing else to do, until it ends or is removed. After
  // Remove it is not used any more.
  void AddIdle(IdleWork* work);
  void RemoveIdle(IdleWork* work);

 private:
  Assistant();
  void Loop(int stop_fd);
  void Sleep(int stop_fd);
  void Assist();
  bool StepIdle();
  void WakeUp();
  bool TakeFront(uint32_t* chunk);
  bool TakeBack(uint32_t* chunk);

  UniqueFd wake_;
  std::atomic<bool> busy_{false};  // some caller has the fields below
  std::atomic<SplitWork*> work_{nullptr};
  std::atomic<uint64_t> chunks_{0};     // not yet taken: end << 32 | begin
  std::atomic<bool> assisting_{false};  // the assistant may be using work_
  std::atomic<uint32_t> jobs_{0};       // begun so far
  std::atomic<bool> sleeping_{false};

  std::mutex idle_mutex_;  // held during a step
  std::vector<IdleWork*> idle_;
  std::atomic<bool> has_idle_{false};
  std::unique_ptr<BackgroundThread> thread_;  // last: it uses the others
};

}  // namespace uarena

#endif  // UARENA_OS_ASSISTANT_H_
