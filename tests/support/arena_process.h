// SPDX-License-Identifier: Apache-2.0
//
// What tests with several processes share.
#ifndef UARENA_TESTS_SUPPORT_ARENA_PROCESS_H_
#define UARENA_TESTS_SUPPORT_ARENA_PROCESS_H_

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

extern char** environ;

namespace uarena::testing {

// An object that forked children share, zero-initialised.
template <typename T>
class Shared {
 public:
  Shared()
      : object_(new (mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0)) T()) {}
  ~Shared() { munmap(object_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  T* const object_;
};

// Runs `body` in a child, which exits with what it returns. The child dies with the calling thread.
template <typename Body>
pid_t Fork(Body body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // a failed test leaves nobody behind
    const int status = body();
    fflush(nullptr);
    _exit(status);
  }
  return pid;
}

// Waits for a child. Its exit status, or 1000 + the signal that killed it.
inline int Wait(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

// How many threads of that name a process has.
inline int CountThreads(pid_t pid, const std::string& name) {
  int count = 0;
  std::error_code gone;
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::string found;
    std::getline(std::ifstream(task.path() / "comm"), found);
    count += found == name;
  }
  return count;
}

// A daemon of the test's own, listening in a directory of its own.
class TestDaemon {
 public:
  explicit TestDaemon(std::vector<std::string> flags = {}) : flags_(std::move(flags)) {
    char directory[] = "/tmp/uarena-test-XXXXXX";
    directory_ = mkdtemp(directory);
    Start();
  }
  ~TestDaemon() {
    if (pid_ > 0) Stop();
    unlink((socket() + ".lock").c_str());
    unlink(socket().c_str());
    rmdir(directory_.c_str());
  }

  void Start() {
    const std::string flag = "--socket=" + socket();
    std::vector<char*> arguments = {const_cast<char*>("uarenad"), const_cast<char*>(flag.c_str())};
    for (const std::string& more : flags_) arguments.push_back(const_cast<char*>(more.c_str()));
    arguments.push_back(nullptr);
    ASSERT_EQ(posix_spawn(&pid_, UARENAD_PATH, nullptr, nullptr, arguments.data(), environ), 0);
    for (int i = 0; i < 1000 && !Listens(); ++i) usleep(10'000);
  }
  // The daemon's exit status after SIGTERM.
  int Stop() { return Kill(SIGTERM); }
  int Kill(int signal) {
    kill(pid_, signal);
    return Wait(std::exchange(pid_, -1));
  }

  // Whether it listens. The socket of one that was killed stays, and for a moment still answers,
  // until the kernel has taken the dead one's io_uring apart.
  bool Listens() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ucred peer{};
    socklen_t bytes = sizeof(peer);
    const bool listens = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                         getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
                         peer.pid == pid_;
    close(fd);
    return listens;
  }

  std::string socket() const { return directory_ + "/uarenad.sock"; }
  pid_t pid() const { return pid_; }

 private:
  const std::vector<std::string> flags_;
  std::string directory_;
  pid_t pid_ = -1;
};

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_ARENA_PROCESS_H_
