// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ipc/socket_path.h"
#include "os/status.h"

namespace uarena {
namespace {

constexpr int kBacklog = 128;

std::string Directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
}

// A directory of ours: made if missing, and refused if another user could have made it for us.
absl::Status PrepareDirectory(const std::string& directory) {
  const bool everybody = geteuid() == 0;
  if (mkdir(directory.c_str(), everybody ? 0755 : 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("making directory ", directory));
  }
  struct stat status {};
  if (lstat(directory.c_str(), &status) != 0) {
    return ErrnoStatus(errno, absl::StrCat("looking at directory ", directory));
  }
  if (!S_ISDIR(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(directory, " is not a directory"));
  }
  const bool trusted = status.st_uid == geteuid() || status.st_uid == 0;
  const bool shared = (status.st_mode & 0022) != 0 && (status.st_mode & S_ISVTX) == 0;
  if (!trusted || shared) {
    return absl::PermissionDeniedError(absl::StrCat(
        directory, " belongs to user ", status.st_uid, shared ? " and others may write to it" : "",
        "; another user could put a socket there: choose another --socket"));
  }
  return absl::OkStatus();
}

}  // namespace

Server::Server()
    : accept_([this](int result) { OnAccept(result); }),
      signal_request_([this](int result) { OnSignal(result); }),
      tick_request_([this](int result) { OnTick(result); }) {}

Server::~Server() {
  if (listener_.valid()) unlink(path_.c_str());
}

absl::Status Server::Listen(const std::string& option_path) {
  // First, so that nothing is left behind where it is not to be had.
  absl::Status status = loop_.Init();
  if (!status.ok()) return status;
  for (const std::string& path : SocketCandidates(option_path)) {
    status = ListenAt(path);
    // Another daemon at the first place is not a reason to go to the second: clients would find
    // the other one.
    if (status.ok() || absl::IsAlreadyExists(status)) return status;
  }
  return status;
}

absl::Status Server::ListenAt(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path ", path, " has ", path.size(),
                                                   " bytes; at most ", sizeof(address.sun_path) - 1,
                                                   " are possible"));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UARENA_RETURN_IF_ERROR(PrepareDirectory(Directory(path)));
  // The lock, not the socket, says whether a daemon runs here: it cannot be stale.
  const std::string lock_path = path + ".lock";
  UniqueFd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return ErrnoStatus(errno, absl::StrCat("opening ", lock_path));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::AlreadyExistsError(absl::StrCat("a uarenad is running at ", path, " already"));
  }
  UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!listener.valid()) return ErrnoStatus(errno, "creating a socket");
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      return absl::AlreadyExistsError(absl::StrCat(path, " exists and is not a socket"));
    }
    unlink(path.c_str());  // left by a daemon that was killed: we have its lock
  }
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("binding ", path));
  }
  // Who may do what is decided for each arena, by the peer's user.
  if (geteuid() == 0) chmod(path.c_str(), 0666);
  if (listen(listener.get(), kBacklog) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listening at ", path));
  }
  path_ = path;
  lock_ = std::move(lock);
  listener_ = std::move(listener);
  return absl::OkStatus();
}

absl::Status Server::Run() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC));
  if (!signals_.valid()) return ErrnoStatus(errno, "signalfd");

  loop_.Accept(listener_.get(), &accept_);
  loop_.Read(signals_.get(), &signal_, sizeof(signal_), &signal_request_);
  loop_.Timeout(&tick_, &tick_request_);
  loop_.Run();

  for (const auto& session : sessions_) session->Close();
  loop_.Cancel(&accept_);
  loop_.Cancel(&tick_request_);
  loop_.Drain([this] {
    Reap();
    return sessions_.empty() && !accept_.pending() && !tick_request_.pending();
  });
  return absl::OkStatus();
}

void Server::OnAccept(int result) {
  if (result == -ECANCELED) return;
  if (result >= 0) {
    UniqueFd socket(result);
    ucred credentials{};
    socklen_t bytes = sizeof(credentials);
    if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0) {
      sessions_.push_back(
          std::make_unique<Session>(loop_, registry_, std::move(socket),
                                    Peer{credentials.uid, credentials.gid, credentials.pid}));
      sessions_.back()->Start();
    }
  }
  Reap();
  // Out of descriptors: the tick tries again, rather than this at once and for ever.
  if (result != -EMFILE && result != -ENFILE) loop_.Accept(listener_.get(), &accept_);
}

void Server::OnSignal(int result) {
  if (result > 0) loop_.Stop();
}

void Server::OnTick(int result) {
  if (result == -ECANCELED) return;
  // A client's death may close its socket a moment before it gives up its slot.
  registry_.RecoverAll();
  Reap();
  if (!accept_.pending()) loop_.Accept(listener_.get(), &accept_);
  loop_.Timeout(&tick_, &tick_request_);
}

void Server::Reap() {
  sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(),
                                 [](const auto& session) { return session->finished(); }),
                  sessions_.end());
}

}  // namespace uarena
