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
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/disposer.h"
#include "ipc/channel.h"
#include "ipc/socket_path.h"
#include "os/status.h"
#include "os/syscall.h"

namespace uarena {
namespace {

constexpr int kBacklog = 128;
// How long a second daemon looks whether the first is just ending.
constexpr int kLockTries = 50;
constexpr useconds_t kLockPauseUs = 10'000;
// Clients that lost a daemon look for the next one every half second; and then they have to get
// here.
constexpr int64_t kReturnsNs = 900'000'000;
// Descriptors of one user that are being closed, before he can send no more.
constexpr size_t kMostDiscarding = 16;
// What is in flight at the end is waited for so long: a client can keep it there.
constexpr int64_t kShutdownNs = 2'000'000'000;
constexpr int64_t kShutdownPauseNs = 10'000'000;

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

Server::Server(const Limits& limits)
    : limits_(limits),
      returns_{0, kReturnsNs},
      registry_(limits),
      accept_([this](int result) { OnAccept(result); }),
      signal_request_([this](int result) { OnSignal(result); }),
      tick_request_([this](int result) { OnTick(result); }),
      returns_request_([this](int result) { OnReturnsOver(result); }) {
  registry_.on_add = [this] {
    NoteArenasOut(true);
    RetryAll();
  };
}

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
  for (int tries = 0; flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (tries == kLockTries) {
      return absl::AlreadyExistsError(absl::StrCat("a uarenad is running at ", path, " already"));
    }
    usleep(kLockPauseUs);
  }
  char out = 0;
  predecessor_had_arenas_ = pread(lock.get(), &out, 1, 0) == 1;
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
  arenas_out_ = predecessor_had_arenas_;
  lock_ = std::move(lock);
  listener_ = std::move(listener);
  return absl::OkStatus();
}

void Server::NoteArenasOut(bool out) {
  if (out == arenas_out_) return;
  arenas_out_ = out;
  [[maybe_unused]] const bool noted =
      out ? pwrite(lock_.get(), "a", 1, 0) == 1 : ftruncate(lock_.get(), 0) == 0;
}

absl::Status Server::Run() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC));
  if (!signals_.valid()) return ErrnoStatus(errno, "signalfd");
  recoverer_.CloseInChildren({lock_.get(), listener_.get()});

  registry_.ExpectReturns(predecessor_had_arenas_);
  loop_.Accept(listener_.get(), &accept_);
  loop_.Read(signals_.get(), &signal_, sizeof(signal_), &signal_request_);
  loop_.Timeout(&tick_, &tick_request_);
  if (predecessor_had_arenas_) loop_.Timeout(&returns_, &returns_request_);
  loop_.Run([this] {
    if (Session* next = turns_.Next(); next != nullptr) next->TakeTurn();
    return !turns_.empty();
  });

  const bool clients_stay = std::any_of(
      sessions_.begin(), sessions_.end(),
      [](const auto& session) { return !session->closed() && session->arena() != nullptr; });
  NoteArenasOut(clients_stay);
  unlink(path_.c_str());
  for (const auto& session : sessions_) session->Close();
  loop_.Cancel(&accept_);
  loop_.Cancel(&returns_request_);
  // Threads that serve faults end without a word to the loop.
  __kernel_timespec pause{0, kShutdownPauseNs};
  int pauses = 0;
  Request timer([&](int) {
    ++pauses;
    loop_.Timeout(&pause, &timer);
  });
  loop_.Timeout(&pause, &timer);
  const auto late = [&pauses] { return pauses * kShutdownPauseNs > kShutdownNs; };
  loop_.Drain([this, &late] {
    Reap();
    return late() || (sessions_.empty() && discarded_.empty() && !accept_.pending());
  });
  fprintf(stderr, "uarenad: stopped\n");
  // What is still in flight uses what would be destroyed now.
  if (late()) _exit(0);
  return absl::OkStatus();
}

void Server::OnAccept(int result) {
  if (result == -ECANCELED) return;
  if (result >= 0) AcceptClient(UniqueFd(result));
  Reap();
  // Out of descriptors or memory: the tick tries again, rather than this at once and for ever.
  if (result >= 0 || result == -ECONNABORTED || result == -EINTR) {
    loop_.Accept(listener_.get(), &accept_);
  }
}

void Server::AcceptClient(UniqueFd socket) {
  absl::StatusOr<Peer> peer = ReadPeer(socket.get());
  if (!peer.ok()) return;
  const uid_t user = peer->uid;
  size_t& connections = connections_[user];
  if (user != 0 && connections >= limits_.connections) {
    const absl::Status refusal = absl::ResourceExhaustedError(absl::StrCat(
        "user ", user, " has ", connections,
        " connections, which is as many as uarenad allows (--max_connections_per_user)"));
    SendFrame(socket.get(), FrameType::kError, MakeError(refusal), {}, false).IgnoreError();
    return;
  }
  try {
    SessionHost& host = *this;
    sessions_.push_back(
        std::make_unique<Session>(loop_, registry_, host, std::move(socket), *std::move(peer)));
  } catch (const std::bad_alloc&) {
    return;
  }
  ++connections;
  sessions_.back()->Start();
}

void Server::WantTurn(Session* session) { turns_.Add(session->user(), session); }

void Server::OnClosed(Session* session) {
  reaping_ = true;
  turns_.Remove(session->user(), session);
  // A client's death may close its socket a moment before it gives up its slot: then the tick sees
  // it.
  if (session->arena() != nullptr) recoverer_.Look(session->arena());
}

void Server::Discard(uid_t user, UniqueFd fd) {
  if (!fd.valid()) return;
  if (sys::GetSeals(fd.get()) >= 0) {
    // A memfd: closing it waits for nobody, but may have much memory to give back.
    DisposeLater([fd = fd.release()] { close(fd); });
    return;
  }
  const auto discarded = discarded_.insert(discarded_.end(), {nullptr, user});
  discarded->request = std::make_unique<Request>([](int) {});
  ++discarding_[user];
  reaping_ = true;
  loop_.Close(fd.release(), discarded->request.get());
}

bool Server::MaySendFds(uid_t user) const {
  const auto found = discarding_.find(user);
  return found == discarding_.end() || found->second < kMostDiscarding;
}

void Server::OnSignal(int result) {
  if (result <= 0 || signal_.ssi_signo != SIGCHLD) return loop_.Stop();
  recoverer_.Reap();
  loop_.Read(signals_.get(), &signal_, sizeof(signal_), &signal_request_);
}

void Server::OnTick(int result) {
  if (result == -ECANCELED) return;
  const std::vector<std::shared_ptr<NamedArena>> arenas = registry_.Alive();
  recoverer_.LookAround(arenas);
  for (const auto& session : sessions_) session->Tick();
  Reap();
  if (!accept_.pending()) loop_.Accept(listener_.get(), &accept_);
  loop_.Timeout(&tick_, &tick_request_);
}

void Server::OnReturnsOver(int result) {
  if (result == -ECANCELED) return;
  registry_.ExpectReturns(false);
  RetryAll();
}

void Server::RetryAll() {
  for (const auto& session : sessions_) session->Retry();
}

void Server::Reap() {
  if (!reaping_) return;
  reaping_ = !discarded_.empty();
  std::erase_if(sessions_, [this](const auto& session) {
    if (!session->finished()) {
      reaping_ |= session->closed();
      return false;
    }
    if (const auto found = connections_.find(session->user()); --found->second == 0) {
      connections_.erase(found);
    }
    return true;
  });
  std::erase_if(discarded_, [this](const Discarded& discarded) {
    if (discarded.request->pending()) return false;
    if (const auto found = discarding_.find(discarded.user); --found->second == 0) {
      discarding_.erase(found);
    }
    return true;
  });
}

}  // namespace uarena
