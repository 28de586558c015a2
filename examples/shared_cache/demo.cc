// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "roles.h"
#include "uarena/roots.h"

namespace shared_cache {
namespace {

class Workers {
 public:
  explicit Workers(const DemoOptions& options) : arguments_(options.worker_arguments) {}
  ~Workers() {
    for (const pid_t pid : pids_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  absl::Status Start() {
    std::vector<char*> argv;
    argv.reserve(arguments_.size() + 1);
    for (std::string& argument : arguments_) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
    if (error != 0) return absl::InternalError(absl::StrCat("starting: ", strerror(error)));
    pids_.push_back(pid);
    return absl::OkStatus();
  }

  // Kills a worker, wherever it is. Errors: it had ended before, of itself.
  absl::Status KillOne(size_t which) {
    const pid_t pid = pids_[which];
    pids_.erase(pids_.begin() + static_cast<std::ptrdiff_t>(which));
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("worker ", pid, " ended of itself, with ", status));
  }

  size_t count() const { return pids_.size(); }

 private:
  std::vector<std::string> arguments_;
  std::vector<pid_t> pids_;
};

// Returns the number of workers killed.
absl::StatusOr<uint64_t> KillAndReplace(const DemoOptions& options) {
  Workers workers(options);
  std::minstd_rand random(static_cast<uint32_t>(getpid()));
  for (uint32_t i = 0; i < options.workers; ++i) {
    if (absl::Status status = workers.Start(); !status.ok()) return status;
  }
  uint64_t kills = 0;
  for (const absl::Time end = absl::Now() + options.time; absl::Now() < end; ++kills) {
    absl::SleepFor(absl::Microseconds(std::uniform_int_distribution(5'000, 60'000)(random)));
    absl::Status status = workers.KillOne(random() % workers.count());
    if (status.ok()) status = workers.Start();
    if (!status.ok()) return status;
  }
  for (; workers.count() > 0; ++kills) {
    if (absl::Status status = workers.KillOne(0); !status.ok()) return status;
  }
  return kills;
}

}  // namespace

absl::Status RunDemo(uarena::Arena& arena, Cache& cache, const DemoOptions& options) {
  const absl::StatusOr<uint64_t> kills = KillAndReplace(options);
  if (!kills.ok()) return kills.status();
  absl::Status checked = cache.Check(
      [](std::string_view key, std::string_view value) { return value == ValueOf(key); });
  if (!checked.ok()) return checked;
  const Counts counts = cache.Count();
  absl::PrintF("%d hits, %d misses, %d evictions; %d entries of %d bytes are left, all checked\n",
               counts.hits, counts.misses, counts.evictions, counts.entries, counts.bytes);
  absl::PrintF("%d workers killed; %d of them had a lock, and %d a shard in doubt, then emptied\n",
               *kills, counts.repairs, counts.emptied);
  if (counts.hits == 0 || counts.misses == 0) {
    return absl::InternalError("the workers have not worked");
  }
  if (absl::Status status = uarena::Destroy<Cache>(arena, "cache"); !status.ok()) return status;
  const absl::StatusOr<uarena::HeapStats> stats = uarena::Heap(arena).Stats();
  if (!stats.ok()) return stats.status();
  absl::PrintF("%d blocks were lost with workers killed as they allocated or freed one\n",
               stats->blocks_in_use);
  if (stats->blocks_in_use <= *kills) return absl::OkStatus();
  return absl::DataLossError("that is more than one for each worker killed");
}

}  // namespace shared_cache
