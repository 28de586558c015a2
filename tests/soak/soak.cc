// SPDX-License-Identifier: Apache-2.0
//
// soak: 64 processes on 32 arenas in all fault modes, killed at random; a daemon that is killed and
// started again; memory that becomes short. Ends with a look at every page and every invariant, and
// says what was survived. Exits with 1 if anything was lost, stuck or left over.
//
//   soak --uarenad=PATH [--seconds=60] [--clients=64] [--seed=1]
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "client/daemon_client.h"
#include "tests/soak/board.h"
#include "uarena/arena.h"

ABSL_FLAG(int, seconds, 60, "How long");
ABSL_FLAG(uint32_t, clients, 64, "How many clients, at most 64");
ABSL_FLAG(uint32_t, seed, 1, "Of the random choices of when to kill whom");
ABSL_FLAG(std::string, uarenad, "", "The daemon's program");
ABSL_FLAG(int, client, -1, "For itself: be that client");
ABSL_FLAG(int, board, -1, "For itself: the board's descriptor");
ABSL_FLAG(std::string, socket, "", "For itself: the daemon's socket");

extern char** environ;

namespace uarena::soak {
namespace {

using Clock = std::chrono::steady_clock;

// Nobody is to be stuck for so long, on a machine that is busy with 64 others.
constexpr auto kStuckAfter = std::chrono::seconds(30);

Board* MapBoard(int fd) {
  void* map = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return map == MAP_FAILED ? nullptr : static_cast<Board*>(map);
}

pid_t Spawn(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  pid_t pid = -1;
  return posix_spawn(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ) == 0 ? pid : -1;
}

// Takes and gives back memory, so that the kernel looks for some.
pid_t SpawnBalloon() {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  uint64_t available_kib = 0;
  std::ifstream file("/proc/meminfo");
  for (std::string key; file >> key;) {
    if (key == "MemAvailable:") file >> available_kib;
  }
  const size_t bytes = std::min<uint64_t>(available_kib / 4 * 1024, uint64_t{1} << 30);
  while (true) {
    void* balloon =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (balloon != MAP_FAILED) {
      for (size_t i = 0; i < bytes; i += 4096) static_cast<volatile char*>(balloon)[i] = 1;
      usleep(500'000);
      munmap(balloon, bytes);
    }
    usleep(1'500'000);
  }
}

class Soak {
 public:
  Soak() : random_(absl::GetFlag(FLAGS_seed)), wanted_(absl::GetFlag(FLAGS_clients)) {}

  int Run() {
    if (!Prepare()) return 1;
    const auto end = Clock::now() + std::chrono::seconds(absl::GetFlag(FLAGS_seconds));
    auto next_restart = Clock::now() + std::chrono::milliseconds(1500);
    auto next_kill = Clock::now();
    while (Clock::now() < end && !board_->failed.load()) {
      usleep(5000);
      Reap();
      if (Clock::now() > next_kill) {
        KillSomebody();
        next_kill = Clock::now() + std::chrono::milliseconds(random_() % 60);
      }
      if (Clock::now() > next_restart) {
        RestartDaemon();
        next_restart = Clock::now() + std::chrono::milliseconds(1000 + random_() % 2000);
      }
      LookForStuck();
    }
    const bool ended = EndClients();
    return (ended && !board_->failed.load() && Inspect()) ? Report() : 1;
  }

  void CleanUp() {
    for (const Running& client : clients_) kill(client.pid, SIGKILL);
    if (balloon_ > 0) kill(balloon_, SIGKILL);
    if (daemon_ > 0) kill(daemon_, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

 private:
  struct Running {
    pid_t pid = -1;
    uint32_t id = 0;
    uint64_t steps = 0;
    Clock::time_point moved{};
  };

  bool Complain(const std::string& what) {
    fprintf(stderr, "soak: %s\n", what.c_str());
    return false;
  }

  std::string socket() const { return directory_ + "/uarenad.sock"; }

  bool Prepare() {
    char directory[] = "/tmp/uarena-soak-XXXXXX";
    directory_ = mkdtemp(directory);
    board_fd_ = memfd_create("uarena-soak-board", 0);  // clients inherit it
    if (board_fd_ < 0 || ftruncate(board_fd_, sizeof(Board)) != 0) return Complain("no board");
    board_ = MapBoard(board_fd_);
    StartDaemon();
    // This process keeps every arena, so that none goes with its last client.
    for (uint32_t arena = 0; arena < kArenas; ++arena) {
      ArenaOptions options;
      options.max_pages = kPages;
      options.socket_path = socket();
      absl::StatusOr<Arena> opened = absl::UnavailableError("");
      for (int i = 0; i < 500 && absl::IsUnavailable(opened.status()); ++i) {
        opened = Arena::Open(ArenaName(arena), options);
        if (!opened.ok()) usleep(10'000);
      }
      if (!opened.ok()) return Complain(opened.status().ToString());
      arenas_.push_back(*std::move(opened));
    }
    fds_at_rest_ = DaemonFds();
    for (uint32_t id = 0; id < wanted_; ++id) StartClient(id);
    balloon_ = SpawnBalloon();
    return true;
  }

  void StartDaemon() {
    daemon_ = Spawn({absl::GetFlag(FLAGS_uarenad), absl::StrCat("--socket=", socket())});
  }

  void StartClient(uint32_t id) {
    const pid_t pid =
        Spawn({"/proc/self/exe", absl::StrCat("--client=", id), absl::StrCat("--board=", board_fd_),
               absl::StrCat("--socket=", socket())});
    clients_.push_back({pid, id, board_->clients[id].steps.load(), Clock::now()});
  }

  void KillSomebody() {
    if (clients_.empty()) return;
    kill(clients_[random_() % clients_.size()].pid, SIGKILL);
    ++kills_;
  }

  void RestartDaemon() {
    kill(daemon_, SIGKILL);
    waitpid(daemon_, nullptr, 0);
    // Sometimes at once, sometimes after clients have tried in vain.
    usleep(random_() % 300 * 1000);
    StartDaemon();
    ++restarts_;
  }

  // Replaces those that were killed; anything else that ended is a failure.
  void Reap() {
    for (Running& client : clients_) {
      int status = 0;
      if (waitpid(client.pid, &status, WNOHANG) != client.pid) continue;
      const uint32_t id = client.id;
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        Complain(absl::StrCat("client ", id, " ended with status ", status));
        board_->failed.store(true);
        client.pid = -1;
        return;
      }
      client = clients_.back();
      clients_.pop_back();
      StartClient(id);
      return;  // one at a time: the list has changed
    }
    if (int status = 0; waitpid(daemon_, &status, WNOHANG) == daemon_) {
      Complain(absl::StrCat("the daemon ended with status ", status));
      board_->failed.store(true);
    }
  }

  void LookForStuck() {
    for (Running& client : clients_) {
      const uint64_t steps = board_->clients[client.id].steps.load();
      if (steps != client.steps) {
        client.steps = steps;
        client.moved = Clock::now();
      } else if (Clock::now() - client.moved > kStuckAfter) {
        Complain(absl::StrCat("client ", client.id, ", process ", client.pid, ", is stuck in mode ",
                              board_->clients[client.id].mode.load()));
        board_->failed.store(true);
      }
    }
  }

  bool EndClients() {
    board_->stop.store(true);
    const auto deadline = Clock::now() + kStuckAfter;
    bool good = true;
    for (const Running& client : clients_) {
      int status = 0;
      pid_t ended = 0;
      while ((ended = waitpid(client.pid, &status, WNOHANG)) == 0 && Clock::now() < deadline) {
        usleep(1000);
      }
      if (ended == 0) {
        good = Complain(absl::StrCat("client ", client.id, " does not end, in mode ",
                                     board_->clients[client.id].mode.load()));
        kill(client.pid, SIGKILL);
        waitpid(client.pid, nullptr, 0);
      } else if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) &&
                 !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) {
        good = Complain(absl::StrCat("client ", client.id, " ended with status ", status));
      }
    }
    clients_.clear();
    kill(balloon_, SIGKILL);
    waitpid(std::exchange(balloon_, -1), nullptr, 0);
    return good;
  }

  size_t DaemonFds() const {
    size_t count = 0;
    std::error_code gone;
    const std::string path = absl::StrCat("/proc/", daemon_, "/fd");
    for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator(path, gone)) ++count;
    return count;
  }

  uint64_t DaemonKiB(const std::string& field) const {
    std::ifstream file(absl::StrCat("/proc/", daemon_, "/status"));
    for (std::string key; file >> key;) {
      uint64_t kib = 0;
      if (key == field + ":" && file >> kib) return kib;
    }
    return 0;
  }

  // Every page holds what it must, every invariant holds, nothing is left over.
  bool Inspect() {
    bool good = true;
    // Handing back after the last restart takes a moment, and so does closing 64 connections.
    for (int i = 0;
         i < 1000 && ListArenas(socket()).value_or(std::vector<ArenaEntry>()).size() != kArenas;
         ++i) {
      usleep(10'000);
    }
    for (uint32_t number = 0; number < kArenas; ++number) good &= InspectArena(number);
    // One more for each arena that readers have opened, and a few of threads.
    const size_t most = fds_at_rest_ + kArenas + 8;
    for (int i = 0; i < 1000 && (DaemonFds() < fds_at_rest_ || DaemonFds() > most); ++i) {
      usleep(10'000);
    }
    if (DaemonFds() < fds_at_rest_ || DaemonFds() > most) {
      good = Complain(absl::StrCat("the daemon has ", DaemonFds(),
                                   " descriptors; at the beginning ", fds_at_rest_));
    }
    const absl::StatusOr<std::vector<ArenaEntry>> list = ListArenas(socket());
    if (!list.ok() || list->size() != kArenas) good = Complain("the daemon lost an arena's name");
    return good;
  }

  bool InspectArena(uint32_t number) {
    Arena& arena = arenas_[number];
    const std::string name = ArenaName(number);
    if (const auto recovered = arena.Recover(); !recovered.ok()) {
      return Complain(absl::StrCat(name, ": ", recovered.status().ToString()));
    }
    uint64_t owned = 0;
    for (uint64_t page = 0; page < kPages; ++page) {
      const Stamp stamp = board_->pages[number][page].load();
      if (stamp == 0) continue;
      ++owned;
      if ((stamp & kInFlux) == 0 &&
          !Holds(static_cast<char*>(arena.base()) + page * arena.page_size(), arena.page_size(),
                 stamp)) {
        return Complain(absl::StrCat(name, ": page ", page, " lost what was written"));
      }
    }
    const absl::StatusOr<ArenaStats> stats = arena.Stats();
    const absl::Status invariants = arena.CheckInvariants();
    if (!stats.ok() || !invariants.ok()) {
      return Complain(
          absl::StrCat(name, ": ", stats.status().ToString(), ", ", invariants.ToString()));
    }
    if (stats->processes != 2) {  // this one and the daemon
      return Complain(absl::StrCat(name, ": ", stats->processes, " processes are attached"));
    }
    // Killed between AllocPages and noting what it returned, a client leaves at most one run.
    if (stats->allocated_pages > owned + kills_ * kMostRun) {
      return Complain(absl::StrCat(name, ": ", stats->allocated_pages, " pages are allocated, ",
                                   owned, " have owners"));
    }
    leaked_ += stats->allocated_pages > owned ? stats->allocated_pages - owned : 0;
    return true;
  }

  int Report() {
    uint64_t faults = 0;
    uint64_t steps = 0;
    for (const ClientState& client : board_->clients) {
      faults += client.faults.load();
      steps += client.steps.load();
    }
    const uint64_t anonymous_kib = DaemonKiB("RssAnon");
    printf(
        "soak: survived %lu faults in %lu steps, %lu kills of clients, %lu of the daemon; %lu "
        "pages were allocated by clients that were killed before they knew; daemon: %lu KiB "
        "anonymous memory, %lu descriptors\n",
        faults, steps, kills_, restarts_, leaked_, anonymous_kib, DaemonFds());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (anonymous_kib > 64 << 10) return Complain("the daemon has grown") ? 0 : 1;
#endif
    return 0;
  }

  std::mt19937 random_;
  const uint32_t wanted_;
  std::string directory_;
  int board_fd_ = -1;
  Board* board_ = nullptr;
  pid_t daemon_ = -1;
  pid_t balloon_ = -1;
  std::vector<Arena> arenas_;
  std::vector<Running> clients_;
  size_t fds_at_rest_ = 0;
  uint64_t kills_ = 0;
  uint64_t restarts_ = 0;
  uint64_t leaked_ = 0;
};

int Main() {
  if (const int client = absl::GetFlag(FLAGS_client); client >= 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Board* board = MapBoard(absl::GetFlag(FLAGS_board));
    return board == nullptr
               ? 1
               : RunClient(*board, static_cast<uint32_t>(client), absl::GetFlag(FLAGS_socket));
  }
  if (absl::GetFlag(FLAGS_uarenad).empty() || absl::GetFlag(FLAGS_clients) > kMostClients) {
    fprintf(stderr, "usage: soak --uarenad=PATH [--seconds=60] [--clients=64] [--seed=1]\n");
    return 2;
  }
  Soak soak;
  const int status = soak.Run();
  soak.CleanUp();
  return status;
}

}  // namespace
}  // namespace uarena::soak

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("--uarenad=PATH [--seconds=60] [--clients=64] [--seed=1]");
  absl::ParseCommandLine(argc, argv);
  return uarena::soak::Main();
}
