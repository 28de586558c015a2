// SPDX-License-Identifier: Apache-2.0
#include "daemon/disposer.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "os/background_thread.h"

namespace uarena {
namespace {

class Disposer {
 public:
  // Never destroyed: nobody waits for it at exit.
  static Disposer& Get() {
    static auto* disposer = new Disposer;
    return *disposer;
  }

  void Add(std::function<void()> action) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (thread_ != nullptr || StartThread()) actions_.push_back(std::exchange(action, nullptr));
    }
    added_.notify_one();
    if (action != nullptr) action();  // no thread is to be had
  }

 private:
  bool StartThread() {
    try {
      thread_ = new BackgroundThread("uarenad-dispose", [this](int) { Run(); });
    } catch (const std::system_error&) {
      return false;
    }
    return true;
  }

  [[noreturn]] void Run() {
    while (true) {
      std::vector<std::function<void()>> actions;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        added_.wait(lock, [this] { return !actions_.empty(); });
        actions.swap(actions_);
      }
      for (const std::function<void()>& action : actions) action();
    }
  }

  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<std::function<void()>> actions_;
  BackgroundThread* thread_ = nullptr;
};

}  // namespace

void DisposeLater(std::function<void()> action) { Disposer::Get().Add(std::move(action)); }

}  // namespace uarena
