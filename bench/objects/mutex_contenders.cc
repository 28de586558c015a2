// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/mutex_contenders.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "bench/objects/uarena_heap.h"
#include "uarena/arena.h"
#include "uarena/mutex.h"
#include "uarena/objects.h"

namespace uarena::bench {
namespace {

// What a lock guards: nothing of it may stay in a register while others could have the lock.
struct Guarded {
  volatile uint64_t count = 0;
};

class UarenaMutex : public Contender {
 public:
  explicit UarenaMutex(uint64_t times) : times_(times) {}

  std::string name() const override { return "uarena_mutex"; }

  absl::Status SetUp(uint64_t /*seed*/) override {
    absl::StatusOr<Arena> arena = MakeObjectArena();
    if (!arena.ok()) return arena.status();
    const absl::StatusOr<Mutex*> mutex = New<Mutex>(*arena);
    if (!mutex.ok()) return mutex.status();
    arena_ = *std::move(arena);
    mutex_ = *mutex;
    return absl::OkStatus();
  }
  void TearDown() override { arena_.reset(); }

  uint64_t RunSlice(uint64_t /*slice*/) override {
    const uint64_t before = guarded_.count;
    uint64_t unclean = 0;
    for (uint64_t i = 0; i < times_; ++i) {
      unclean += mutex_->Lock() == LockOutcome::kClean ? 0 : 1;
      guarded_.count = guarded_.count + 1;
      mutex_->Unlock();
    }
    return unclean + (guarded_.count - before == times_ ? 0 : 1);
  }

 private:
  const uint64_t times_;
  std::optional<Arena> arena_;
  Mutex* mutex_ = nullptr;
  Guarded guarded_;
};

class AbslMutex : public Contender {
 public:
  explicit AbslMutex(uint64_t times) : times_(times) {}

  std::string name() const override { return "absl_mutex"; }
  absl::Status SetUp(uint64_t /*seed*/) override {
    // As in an Abseil built with NDEBUG, whose mutexes take a third of the time. Debian's is not.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    mutex_ = std::make_unique<absl::Mutex>();
    return absl::OkStatus();
  }
  void TearDown() override { mutex_.reset(); }

  uint64_t RunSlice(uint64_t /*slice*/) override {
    const uint64_t before = guarded_.count;
    for (uint64_t i = 0; i < times_; ++i) {
      mutex_->Lock();
      guarded_.count = guarded_.count + 1;
      mutex_->Unlock();
    }
    return guarded_.count - before == times_ ? 0 : 1;
  }

 private:
  const uint64_t times_;
  std::unique_ptr<absl::Mutex> mutex_;
  Guarded guarded_;
};

}  // namespace

std::vector<std::unique_ptr<Contender>> MutexContenders(uint64_t times_per_slice) {
  std::vector<std::unique_ptr<Contender>> contenders;
  contenders.push_back(std::make_unique<UarenaMutex>(times_per_slice));
  contenders.push_back(std::make_unique<AbslMutex>(times_per_slice));
  return contenders;
}

}  // namespace uarena::bench
