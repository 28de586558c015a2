// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/daemon_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "uarena/arena.h"

namespace uarena::bench {
namespace {

constexpr int kTries = 500;
constexpr std::chrono::milliseconds kPause(10);

// Asks for an arena that is not there: the daemon says so as soon as it listens.
bool Answers(const std::string& socket_path) {
  ArenaOptions options;
  options.create = false;
  options.socket_path = socket_path;
  return absl::IsNotFound(Arena::Open("none", options).status());
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void Exec(const char* program, const char* socket_flag, const char* log,
                       pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  const int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0) dup2(fd, STDERR_FILENO);
  execl(program, program, socket_flag, nullptr);
  _exit(127);
}

}  // namespace

DaemonProcess::DaemonProcess(std::string directory)
    : directory_(std::move(directory)),
      socket_path_(directory_ + "/socket"),
      log_path_(directory_ + "/log") {}

absl::StatusOr<std::unique_ptr<DaemonProcess>> DaemonProcess::Start(const std::string& program) {
  if (access(program.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("cannot execute ", program, "; give --uarenad"));
  }
  std::string directory = (std::filesystem::temp_directory_path() / "uarena-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return absl::ErrnoToStatus(errno, "mkdtemp");
  auto daemon = absl::WrapUnique(new DaemonProcess(directory));
  const std::string socket_flag = absl::StrCat("--socket=", daemon->socket_path_);
  const pid_t parent = getpid();
  daemon->pid_ = fork();
  if (daemon->pid_ < 0) return absl::ErrnoToStatus(errno, "fork");
  if (daemon->pid_ == 0) {
    Exec(program.c_str(), socket_flag.c_str(), daemon->log_path_.c_str(), parent);
  }
  if (absl::Status status = daemon->WaitUntilAnswering(); !status.ok()) return status;
  return daemon;
}

absl::Status DaemonProcess::WaitUntilAnswering() {
  for (int i = 0; i < kTries; ++i) {
    if (Answers(socket_path_)) return absl::OkStatus();
    if (HasEnded()) {
      return absl::UnavailableError(absl::StrCat("uarenad ended: ", ReadAll(log_path_)));
    }
    std::this_thread::sleep_for(kPause);
  }
  return absl::DeadlineExceededError("uarenad does not answer");
}

bool DaemonProcess::HasEnded() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
  return pid_ < 0;
}

DaemonProcess::~DaemonProcess() {
  if (pid_ > 0) kill(pid_, SIGTERM);
  for (int i = 0; i < kTries && !HasEnded(); ++i) std::this_thread::sleep_for(kPause);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace uarena::bench
