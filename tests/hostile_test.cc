// SPDX-License-Identifier: Apache-2.0
//
// Clients that mean harm: what they send, what they do not read, which descriptors they pass, what
// they write into the control memory of their arena. The daemon goes on, and so do the others,
// about as fast as before.
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/daemon_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ipc/channel.h"
#include "os/fd.h"
#include "os/syscall.h"
#include "os/uffd_abi.h"
#include "pages/layout.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"
#include "uarena/heap.h"
#include "uarena/roots.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::TestDaemon;
using testing::Wait;
using Clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlower = 10;
#else
constexpr int kSlower = 1;
#endif

constexpr uid_t kAttacker = 65534;

ArenaOptions OptionsAt(const std::string& socket, FaultMode mode = FaultMode::kAuto) {
  ArenaOptions options;
  options.max_pages = 4096;
  options.fault_mode = mode;
  options.socket_path = socket;
  return options;
}

// ---- Attacks. Each goes on until it is killed; none waits for anything but the kernel.

UniqueFd Connect(const std::string& path) {
  absl::StatusOr<UniqueFd> socket = ConnectToDaemon(path);
  return socket.ok() ? *std::move(socket) : UniqueFd();
}

// A daemon that hangs up on us is what we came for.
void Spray(int socket, const void* bytes, size_t length) {
  [[maybe_unused]] const ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::vector<uint8_t> ValidFrame(FrameType type, size_t payload) {
  std::vector<uint8_t> bytes(sizeof(FrameHeader) + payload);
  FrameHeader header;
  header.type = type;
  header.payload_bytes = static_cast<uint32_t>(payload);
  memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

void SendGarbage(const std::string& path) {
  std::mt19937_64 random(1);
  while (true) {
    const UniqueFd socket = Connect(path);
    for (int i = 0; i < 100; ++i) {
      std::vector<uint8_t> bytes(random() % 5000);
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
      Spray(socket.get(), bytes.data(), bytes.size());
    }
  }
}

void HangUpAtEveryByte(const std::string& path) {
  const std::vector<uint8_t> open = ValidFrame(FrameType::kOpen, sizeof(OpenPayload));
  while (true) {
    for (size_t length = 0; length <= open.size(); ++length) {
      const UniqueFd socket = Connect(path);
      Spray(socket.get(), open.data(), length);
    }
  }
}

void NeverReadAnswers(const std::string& path) {
  const std::vector<uint8_t> list = ValidFrame(FrameType::kList, sizeof(NamePayload));
  std::vector<UniqueFd> sockets;
  while (true) {
    if (sockets.size() == 50) sockets.clear();
    sockets.push_back(Connect(path));
    for (int i = 0; i < 10'000; ++i) Spray(sockets.back().get(), list.data(), list.size());
  }
}

void ConnectAndSaySlowlyOrNothing(const std::string& path) {
  const std::vector<uint8_t> list = ValidFrame(FrameType::kList, sizeof(NamePayload));
  std::vector<UniqueFd> sockets;
  while (true) {
    for (const UniqueFd& socket : sockets) Spray(socket.get(), list.data(), 7);
    if (sockets.size() < 900) sockets.push_back(Connect(path));
    usleep(1000);
  }
}

void AskAsFastAsPossible(const std::string& path) {
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < 100; ++i) sockets.push_back(Connect(path));
  const std::vector<uint8_t> list = ValidFrame(FrameType::kList, sizeof(NamePayload));
  char answer[kMaxFrame];
  while (true) {
    for (const UniqueFd& socket : sockets) {
      Spray(socket.get(), list.data(), list.size());
      while (recv(socket.get(), answer, sizeof(answer), MSG_DONTWAIT) > 0) {
      }
    }
  }
}

void MakeAndRemoveArenas(const std::string& path) {
  ArenaOptions options = OptionsAt(path);
  for (int i = 0;; ++i) {
    const std::string name = absl::StrCat("spam-", i % 200);
    options.max_pages = uint64_t{1} << 20;
    OpenFromDaemon(name, options).status().IgnoreError();
    RemoveArena(path, name).IgnoreError();
  }
}

void SendManyDescriptors(const std::string& path) {
  std::vector<uint8_t> serve = ValidFrame(FrameType::kServe, sizeof(ServePayload));
  int pipe_fds[2];
  if (pipe(pipe_fds) != 0) _exit(1);
  int fds[253];
  std::fill(std::begin(fds), std::end(fds), pipe_fds[0]);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {};
  while (true) {
    absl::StatusOr<OpenedArena> opened = OpenFromDaemon("many", OptionsAt(path));
    if (!opened.ok()) continue;
    for (int i = 0; i < 50; ++i) {
      iovec part{serve.data(), serve.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
      memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
      sendmsg(opened->socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }
}

int NewUffd() {
  bool kernel_faults = false;
  return sys::Userfaultfd(UFFD_FEATURE_MISSING_SHMEM, &kernel_faults);
}

// A pipe, a directory, a terminal, a socket, a userfaultfd of a process that is gone, of another
// that lives, one without an address range: as userfaultfds, and as memfds and deeds.
void SendWrongDescriptors(const std::string& path) {
  int pipe_fds[2];
  int pair[2];
  if (pipe(pipe_fds) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) _exit(1);
  std::vector<int> wrong = {pipe_fds[0],
                            pipe_fds[1],
                            pair[0],
                            open("/", O_RDONLY | O_DIRECTORY),
                            open("/dev/null", O_RDWR),
                            NewUffd(),
                            static_cast<int>(memfd_create("x", MFD_ALLOW_SEALING))};
  // Of a process that is gone, and of one that stays.
  for (const bool stays : {false, true}) {
    int give[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, give) != 0) _exit(1);
    if (Fork([&] {
          const int uffd = NewUffd();
          const int fds[] = {uffd};
          SendFrame(give[0], FrameType::kServe, std::span<const uint8_t>(), fds).IgnoreError();
          if (stays) pause();
          return 0;
        }) > 0) {
      absl::StatusOr<ReceivedFrame> received = ReceiveFrame(give[1]);
      if (received.ok() && received->fds.size() == 1) wrong.push_back(received->fds[0].release());
    }
  }
  std::mt19937 random(7);
  auto any = [&] { return wrong[random() % wrong.size()]; };
  while (true) {
    absl::StatusOr<OpenedArena> opened = OpenFromDaemon("wrong", OptionsAt(path));
    if (!opened.ok()) continue;
    for (const int fd : wrong) AskToServe(opened->socket.get(), fd, 0).IgnoreError();
    const UniqueFd socket = Connect(path);
    for (int i = 0; i < 20; ++i) {
      const int fds[] = {random() % 2 == 0 ? opened->data.get() : any(),
                         random() % 2 == 0 ? opened->control.get() : any(),
                         random() % 2 == 0 ? opened->deed.get() : any()};
      Call(socket.get(), FrameType::kHandBack, std::span<const uint8_t>(), fds, FrameType::kOpened)
          .status()
          .IgnoreError();
    }
  }
}

// Has its faults served, takes the messages away from under the daemon, and lets it wait for more.
void MakeTheUffdBlock(const std::string& path) {
  while (true) {
    OpenedArena opened;
    absl::StatusOr<OpenedArena> answer = OpenFromDaemon("blocking", OptionsAt(path));
    if (!answer.ok()) continue;
    opened = *std::move(answer);
    const UniqueFd uffd(NewUffd());
    const size_t bytes = opened.says.max_pages << opened.says.page_shift;
    void* region = mmap(reinterpret_cast<void*>(opened.says.base), bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED | MAP_NORESERVE, opened.data.get(), 0);
    if (region == MAP_FAILED ||
        sys::UffdRegisterMissing(uffd.get(), opened.says.base, bytes) != 0) {
      _exit(1);
    }
    if (!AskToServe(opened.socket.get(), uffd.get(), 5).ok()) continue;
    for (int i = 0; i < 20; ++i) {
      fcntl(uffd.get(), F_SETFL, 0);
      static_cast<volatile char*>(region)[static_cast<size_t>(i) * 4096 * 64] = 1;
      usleep(500);
    }
    munmap(region, bytes);
  }
}

// Writes random bytes over the control memory, for ever, while the daemon is to serve faults on it.
void DamageControlMemory(const std::string& path) {
  std::mt19937_64 random(3);
  for (int round = 0;; ++round) {
    const std::string name = absl::StrCat("damaged-", round % 8);
    const pid_t victim = Fork([&] {
      signal(SIGSEGV, SIG_DFL);
      absl::StatusOr<Arena> arena = Arena::Open(name, OptionsAt(path, FaultMode::kServed));
      if (!arena.ok()) return 1;
      for (uint64_t i = 0;; ++i) {
        static_cast<volatile char*>(arena->base())[i % 4096 * 4096] = 1;
        arena->FreePages(arena->base(), 4096).IgnoreError();
      }
    });
    absl::StatusOr<OpenedArena> opened = OpenFromDaemon(name, OptionsAt(path));
    if (opened.ok()) {
      struct stat status {};
      fstat(opened->control.get(), &status);
      const auto size = static_cast<uint64_t>(status.st_size);
      void* map = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, opened->control.get(), 0);
      auto* words = static_cast<std::atomic<uint64_t>*>(map);
      const auto end = Clock::now() + std::chrono::milliseconds(200);
      // The header's heart with preference: it decides about all the others.
      auto& header = *static_cast<ControlHeader*>(map);
      while (map != MAP_FAILED && Clock::now() < end) {
        for (int i = 0; i < 1000; ++i) {
          words[512 + random() % (size / 8 - 512)].store(random() % 3 == 0 ? random()
                                                                           : random() % 64);
        }
        header.head.store(random());
        header.process_high.store(static_cast<uint32_t>(random()));
        header.operation_high.store(static_cast<uint32_t>(random()));
      }
      if (map != MAP_FAILED) munmap(map, size);
    }
    kill(victim, SIGKILL);
    Wait(victim);
    RemoveArena(path, name).IgnoreError();
  }
}

// A file system whose server answers nothing but what opening its only file takes: whoever closes
// that file waits.
int OpenBlockingFile(const std::string& place) {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return -1;
  }
  const int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  close(open(place.c_str(), O_CREAT | O_WRONLY, 0600));
  const std::string options = absl::StrCat("fd=", device, ",rootmode=100644,user_id=0,group_id=0");
  if (device < 0 || mount("hostile", place.c_str(), "fuse", 0, options.c_str()) != 0) return -1;
  // A process of its own: one that had both would wait for itself at its end.
  if (const pid_t server = Fork([device] {
        alignas(8) char request[1 << 17];
        while (read(device, request, sizeof(request)) > 0) {
          const auto* in = reinterpret_cast<fuse_in_header*>(request);
          struct {
            fuse_out_header header;
            union {
              fuse_init_out init;
              fuse_open_out open;
              fuse_attr_out attr;
            };
          } out{};
          size_t bytes = 0;
          if (in->opcode == FUSE_INIT) {
            out.init.major = FUSE_KERNEL_VERSION;
            out.init.minor = FUSE_KERNEL_MINOR_VERSION;
            out.init.max_write = 4096;
            bytes = sizeof(out.init);
          } else if (in->opcode == FUSE_OPEN) {
            bytes = sizeof(out.open);
          } else if (in->opcode == FUSE_GETATTR) {
            out.attr.attr.ino = 1;
            out.attr.attr.mode = S_IFREG | 0644;
            bytes = sizeof(out.attr);
          } else {
            continue;
          }
          out.header.unique = in->unique;
          out.header.len = static_cast<uint32_t>(sizeof(out.header) + bytes);
          if (write(device, &out, out.header.len) < 0) return 1;
        }
        return 0;
      });
      server < 0) {
    return -1;
  }
  close(device);
  return open(place.c_str(), O_RDWR);
}

void SendFilesThatBlock(const std::string& path) {
  const int fd = OpenBlockingFile(path + ".file");
  if (fd < 0) pause();  // this kernel or container has no FUSE: nothing is attacked
  const int fds[] = {fd, fd, fd};
  while (true) {
    absl::StatusOr<OpenedArena> opened = OpenFromDaemon("fuse", OptionsAt(path));
    if (!opened.ok()) continue;
    for (int i = 0; i < 5; ++i) AskToServe(opened->socket.get(), fd, 0).IgnoreError();
    const UniqueFd socket = Connect(path);
    Call(socket.get(), FrameType::kHandBack, std::span<const uint8_t>(), fds, FrameType::kOpened)
        .status()
        .IgnoreError();
  }
}

struct Attack {
  const char* name;
  void (*run)(const std::string& path);
  bool as_root = false;  // to mount; what it does then needs no rights
};
constexpr Attack kAttacks[] = {
    {"Garbage", SendGarbage},
    {"HangUpAtEveryByte", HangUpAtEveryByte},
    {"NeverReadAnswers", NeverReadAnswers},
    {"ConnectAndSayNothing", ConnectAndSaySlowlyOrNothing},
    {"AskAsFastAsPossible", AskAsFastAsPossible},
    {"MakeAndRemoveArenas", MakeAndRemoveArenas},
    {"ManyDescriptors", SendManyDescriptors},
    {"WrongDescriptors", SendWrongDescriptors},
    {"BlockingUffd", MakeTheUffdBlock},
    {"DamagedControlMemory", DamageControlMemory},
    {"BlockingFiles", SendFilesThatBlock, true},
};

// ---- What a bystander notices.

struct Latency {
  double open_us = 0;  // 99th percentiles
  double fault_us = 0;
};

class Bystander {
 public:
  explicit Bystander(const TestDaemon& daemon) : daemon_(daemon) {
    arena_ = std::make_unique<Arena>(
        std::move(Arena::Open("bystander", OptionsAt(daemon.socket(), FaultMode::kServed)))
            .value());
  }

  // The least of several windows: the machine's own hiccups are not the daemon's.
  Latency Measure() {
    Latency least{1e9, 1e9};
    for (int window = 0; window < 5; ++window) {
      least.open_us =
          std::min(least.open_us, Percentile99([&] {
                     // As opening does, without the mapping.
                     EXPECT_TRUE(OpenFromDaemon("bystander", OptionsAt(daemon_.socket())).ok());
                   }));
      uint64_t i = 0;
      least.fault_us =
          std::min(least.fault_us, Percentile99([&] {
                     static_cast<volatile char*>(arena_->base())[i++ * 7919 % 4096 * 4096] = 1;
                   }));
      EXPECT_TRUE(arena_->FreePages(arena_->base(), 4096).ok());
    }
    return least;
  }
  absl::Status Check() { return arena_->CheckInvariants(); }

 private:
  template <typename Do>
  static double Percentile99(Do act) {
    std::vector<double> samples;
    for (int i = 0; i < 300; ++i) {
      const auto start = Clock::now();
      act();
      samples.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::sort(samples.begin(), samples.end());
    return samples[samples.size() * 99 / 100];
  }

  const TestDaemon& daemon_;
  std::unique_ptr<Arena> arena_;
};

class HostileTest : public ::testing::TestWithParam<Attack> {
 protected:
  HostileTest() { chmod(daemon_.socket().substr(0, daemon_.socket().rfind('/')).c_str(), 0755); }
  size_t DaemonFds() const {
    const std::string path = absl::StrCat("/proc/", daemon_.pid(), "/fd");
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) ++count;
    return count;
  }
  TestDaemon daemon_;
};

TEST_P(HostileTest, OthersGoOn) {
  Bystander bystander(daemon_);
  const Latency before = bystander.Measure();
  const size_t fds_before = DaemonFds();
  const pid_t attacker = Fork([&] {
    setpgid(0, 0);
    if (geteuid() == 0 && !GetParam().as_root &&
        (setgid(kAttacker) != 0 || setuid(kAttacker) != 0)) {
      return 1;
    }
    GetParam().run(daemon_.socket());
    return 0;
  });
  usleep(200'000);
  const Latency during = bystander.Measure();
  EXPECT_EQ(bystander.Check(), absl::OkStatus());
  kill(-attacker, SIGKILL);
  kill(attacker, SIGKILL);
  // It was at it until now.
  EXPECT_EQ(Wait(attacker), 1000 + SIGKILL);
  printf("p99 before and during: open %.0f and %.0f us, served fault %.0f and %.0f us\n",
         before.open_us, during.open_us, before.fault_us, during.fault_us);
  // Two processors for attackers, daemon and bystander: a time slice of the scheduler is added.
  const double slice_us = 4000.0 * kSlower;
  EXPECT_LT(during.open_us, 3 * before.open_us + slice_us);
  EXPECT_LT(during.fault_us, 3 * before.fault_us + slice_us);
  // All that it had is given back.
  for (int i = 0; i < 1000 && DaemonFds() > fds_before + 40; ++i) usleep(10'000);
  EXPECT_LE(DaemonFds(), fds_before + 40);  // arenas that it left behind, at most some
  EXPECT_EQ(daemon_.Stop(), 0);
  unlink((daemon_.socket() + ".file").c_str());
}

// Every call on an arena whose control memory says anything at all: it ends, with success or an
// error, and does not crash.
TEST(DamagedArenaTest, CallsEndWithAnErrorOrWithout) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20 / kSlower + 5; ++round) {
    const uint64_t seed = random();
    const pid_t child = Fork([&] {
      alarm(kSlower == 1 ? 20 : 100);  // a call that does not end
      std::mt19937_64 dice(seed);
      ArenaOptions options;
      options.max_pages = 512;
      options.quota_pages = dice() % 4 == 0 ? 400 : 0;
      options.fault_mode = dice() % 2 == 0 ? FaultMode::kInPlace : FaultMode::kThread;
      absl::StatusOr<Arena> arena = Arena::Create(options);
      if (!arena.ok()) return 1;
      int pair[2];
      if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 || !arena->Send(pair[0]).ok()) return 2;
      const absl::StatusOr<ReceivedFrame> sent = ReceiveFrame(pair[1]);
      const int control = sent->fds[1].get();
      struct stat status {};
      fstat(control, &status);
      const auto words = static_cast<uint64_t>(status.st_size) / 8;
      auto* map = static_cast<std::atomic<uint64_t>*>(
          mmap(nullptr, words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, control, 0));
      auto* base = static_cast<char*>(arena->base());
      auto page = [&] { return base + dice() % 512 * 4096; };
      for (int i = 0; i < 100; ++i) {
        // Some words, many words, or all, with small values, old ones changed a little, or
        // anything.
        const uint64_t damage = dice() % 3 == 0 ? words / 4 : dice() % 50;
        for (uint64_t k = 0; k < damage; ++k) {
          std::atomic<uint64_t>& word = map[dice() % words];
          const uint64_t kind = dice() % 3;
          word.store(kind == 0   ? dice()
                     : kind == 1 ? dice() % 600
                                 : word.load() ^ 1 << dice() % 30);
        }
        if (dice() % 4 == 0) {
          reinterpret_cast<ControlHeader*>(map)->head.store(dice());
        }
        arena->AllocPages(nullptr, dice() % 20 + 1).status().IgnoreError();
        arena->AllocPages(page(), 1).status().IgnoreError();
        arena->FreePages(page(), dice() % 512 + 1).IgnoreError();
        arena->ReservePages(page(), 1).IgnoreError();
        arena->Populate(page(), 1).IgnoreError();
        arena->SetRoot("root", page()).IgnoreError();
        arena->Root("root").status().IgnoreError();
        arena->RootNames();
        arena->Stats().status().IgnoreError();
        Heap heap(*arena);
        for (int k = 0; k < 20; ++k) {
          void* block = heap.TryAllocate(dice() % 8 == 0 ? dice() % 100'000 : dice() % 2000);
          heap.TryFree(dice() % 4 == 0 ? page() + dice() % 4096 : block);
          heap.UsableSize(page() + dice() % 256 * 16).status().IgnoreError();
        }
        heap.Stats().status().IgnoreError();
        heap.Trim();
        // Of a root that nobody is constructing it takes a moment to be sure.
        if (dice() % 4 == 0) FindOrConstruct<int>(*arena, "number", 1).status().IgnoreError();
        arena->Recover().status().IgnoreError();
        arena->CheckInvariants().IgnoreError();
      }
      _exit(0);  // its own pages have been taken apart
    });
    const int status = Wait(child);
    EXPECT_NE(status, 1000 + SIGALRM) << "a call does not end; seed " << seed;
    EXPECT_EQ(status, 0) << "seed " << seed;
    if (status != 0) return;
  }
}

// A fault cannot answer with an error; but it must not try for ever.
TEST(DamagedArenaTest, AFaultWithoutOperationRecordsEndsInSigsegv) {
  for (const FaultMode mode : {FaultMode::kInPlace, FaultMode::kThread}) {
    const pid_t child = Fork([&] {
      alarm(60);
      ArenaOptions options;
      options.max_pages = 512;
      options.fault_mode = mode;
      absl::StatusOr<Arena> arena = Arena::Create(options);
      int pair[2];
      if (!arena.ok() || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 ||
          !arena->Send(pair[0]).ok()) {
        return 1;
      }
      const absl::StatusOr<ReceivedFrame> sent = ReceiveFrame(pair[1]);
      const Layout layout(options.max_pages, kGranuleShift);
      for (uint32_t i = 1; i < kMaxOperations; ++i) {
        const uint32_t nobody = 1000;
        if (pwrite(sent->fds[1].get(), &nobody, sizeof(nobody),
                   static_cast<off_t>(layout.operations_offset + i * sizeof(OperationRecord))) !=
            sizeof(nobody)) {
          return 2;
        }
      }
      static_cast<volatile char*>(arena->base())[4096] = 1;
      return 3;
    });
    EXPECT_EQ(Wait(child), 1000 + SIGSEGV);
  }
}

INSTANTIATE_TEST_SUITE_P(Attacks, HostileTest, ::testing::ValuesIn(kAttacks),
                         [](const auto& attack) { return attack.param.name; });

}  // namespace
}  // namespace uarena
