// SPDX-License-Identifier: Apache-2.0
#include "client/read_only.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/fork.h"
#include "fault/in_place.h"
#include "ipc/channel.h"
#include "memory/backing.h"
#include "os/features.h"
#include "os/status.h"
#include "os/syscall.h"
#include "os/uffd_abi.h"
#include "pages/layout.h"

namespace uarena {
namespace {

// Every touch that is told is of a page that does not exist: SIGSEGV.
void RefuseTouches(int uffd, int stop_fd) {
  pollfd fds[2] = {{uffd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
  while (fds[1].revents == 0) {
    poll(fds, 2, -1);
    uffd_msg messages[16];
    const ssize_t bytes = read(uffd, messages, sizeof(messages));
    for (ssize_t i = 0; i < bytes / static_cast<ssize_t>(sizeof(uffd_msg)); ++i) {
      if (messages[i].event != UFFD_EVENT_PAGEFAULT) continue;
      QueueSegv(static_cast<int>(messages[i].arg.pagefault.feat.ptid),
                messages[i].arg.pagefault.address);
    }
  }
}

absl::Status CheckGeometry(const Geometry& geometry, int data) {
  absl::StatusOr<uint64_t> bytes = CheckBacking(data);
  if (!bytes.ok()) return bytes.status();
  if (geometry.max_pages == 0 || geometry.max_pages > kMaxPages || geometry.page_shift < 12 ||
      geometry.page_shift > 30 || geometry.base == 0 || *bytes < geometry.bytes() ||
      !CheckPlacement(geometry.base, geometry.bytes(), geometry.page_size()).ok()) {
    return absl::InvalidArgumentError("the daemon describes an impossible arena");
  }
  return absl::OkStatus();
}

}  // namespace

ReadOnlyArena::ReadOnlyArena(std::string name, OpenedArena opened, const ArenaOptions& options,
                             Region region)
    : name_(std::move(name)),
      options_(options),
      geometry_{opened.says.base, opened.says.max_pages, opened.says.page_shift,
                (opened.says.flags & kOpenedHuge) != 0},
      opened_(std::move(opened)),
      region_(std::move(region)) {}

absl::StatusOr<std::unique_ptr<ReadOnlyArena>> ReadOnlyArena::Reserve(std::string name,
                                                                      OpenedArena opened,
                                                                      const ArenaOptions& options) {
  const Geometry geometry{opened.says.base, opened.says.max_pages, opened.says.page_shift,
                          (opened.says.flags & kOpenedHuge) != 0};
  UARENA_RETURN_IF_ERROR(CheckGeometry(geometry, opened.data.get()));
  if (AttachedAt(geometry.base)) {
    return absl::AlreadyExistsError(
        absl::StrFormat("the arena \"%s\" at 0x%x is attached in this process already; use that "
                        "handle",
                        name, geometry.base));
  }
  absl::StatusOr<Region> region =
      Region::Reserve(geometry.base, geometry.bytes(), geometry.page_size());
  if (!region.ok()) return region.status();
  return std::unique_ptr<ReadOnlyArena>(
      new ReadOnlyArena(std::move(name), std::move(opened), options, *std::move(region)));
}

ReadOnlyArena::~ReadOnlyArena() {
  watcher_.reset();
  // Before the uffd is closed: a touch in between is an error, never a silent zero page.
  region_ = Region();
}

absl::Status ReadOnlyArena::Start() {
  const bool segv = (opened_.says.flags & kOpenedSegvOnFault) != 0;
  // A shared mapping of a descriptor for reading can never become writable. userfaultfd takes only
  // mappings that might; a private one's writes would stay in this process.
  const intptr_t result = sys::Mmap(
      reinterpret_cast<void*>(geometry_.base), geometry_.bytes(), PROT_READ,
      (segv ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED | MAP_NORESERVE, opened_.data.get(), 0);
  if (result < 0 && result > -4096) {
    return ErrnoStatus(static_cast<int>(result),
                       absl::StrFormat("mapping the arena at 0x%x for reading", geometry_.base));
  }
  return Watch();
}

absl::Status ReadOnlyArena::Watch() {
  if ((opened_.says.flags & kOpenedSegvOnFault) == 0) return absl::OkStatus();
  if (geometry_.huge || !Uffd().available || !Uffd().thread_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("read_only: arena \"", name_, "\" has segv_on_fault, which for readers needs ",
                     geometry_.huge ? "pages of the system's size"
                                    : absl::StrCat("userfaultfd (", Uffd().reason, ")")));
  }
  // Of system calls too it would be told, which then wait for ever: they get EFAULT instead.
  bool kernel_faults = false;
  uffd_.reset(
      sys::Userfaultfd(UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_THREAD_ID, &kernel_faults));
  int error = uffd_.get();
  if (uffd_.valid()) {
    error = sys::UffdRegisterMissing(uffd_.get(), geometry_.base, geometry_.bytes());
  }
  if (error < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "read_only: arena \"", name_, "\" has segv_on_fault: ",
        std::string(ErrnoStatus(error, "registering its mapping with userfaultfd").message())));
  }
  watcher_ = std::make_unique<BackgroundThread>(
      "uarena-reader", [uffd = uffd_.get()](int stop_fd) { RefuseTouches(uffd, stop_fd); });
  return absl::OkStatus();
}

void ReadOnlyArena::AfterForkInChild() {
  // The connection is the parent's; ours is made when there is something to ask.
  opened_.socket.reset();
  mutex_.unlock();
  if (watcher_ == nullptr) return;
  watcher_.release()->AbandonInChild();
  uffd_.reset();
  if (!Watch().ok()) {
    mprotect(reinterpret_cast<void*>(geometry_.base), geometry_.bytes(), PROT_NONE);
  }
}

template <typename T>
absl::StatusOr<ReceivedFrame> ReadOnlyArena::Ask(FrameType type, const T& request,
                                                 FrameType expected) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (bool fresh = false;; fresh = true) {
    if (!opened_.socket.valid()) {
      ArenaOptions options = options_;
      options.socket_path = opened_.socket_path;
      options.create = false;
      options.max_pages = 0;
      absl::StatusOr<OpenedArena> again = OpenFromDaemon(name_, options);
      if (!again.ok()) return again.status();
      if (again->says.id != opened_.says.id) {
        return absl::FailedPreconditionError(
            absl::StrCat("\"", name_, "\" is another arena now; open that one to ask about it"));
      }
      opened_.socket = std::move(again->socket);
      fresh = true;
    }
    absl::StatusOr<ReceivedFrame> answer = Call(opened_.socket.get(), type, request, {}, expected);
    if (answer.ok() && answer->frame.header.type == expected) return answer;
    if (absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status())) {
      opened_.socket.reset();
    }
    // The daemon may have been replaced since we last asked.
    if (fresh || !absl::IsUnavailable(answer.status())) return answer.status();
  }
}

absl::StatusOr<uint64_t> ReadOnlyArena::Root(std::string_view name) {
  GetRootsPayload request{};
  WriteText(request.name, sizeof(request.name), name);
  absl::StatusOr<ReceivedFrame> answer = Ask(FrameType::kGetRoots, request, FrameType::kRoots);
  if (!answer.ok()) return answer.status();
  RootsPayload roots{};
  UARENA_RETURN_IF_ERROR(ReadPayload(answer->frame, &roots));
  if (roots.count == 0) {
    return absl::NotFoundError(absl::StrCat("there is no root \"", std::string(name), "\""));
  }
  return roots.entries[0].offset;
}

absl::StatusOr<std::vector<std::string>> ReadOnlyArena::RootNames() {
  std::vector<std::string> names;
  GetRootsPayload request{};
  do {
    absl::StatusOr<ReceivedFrame> answer = Ask(FrameType::kGetRoots, request, FrameType::kRoots);
    if (!answer.ok()) return answer.status();
    RootsPayload roots{};
    UARENA_RETURN_IF_ERROR(ReadPayload(answer->frame, &roots));
    for (size_t i = 0; i < std::min<size_t>(roots.count, kRootEntries); ++i) {
      names.push_back(ReadText(roots.entries[i].name, sizeof(roots.entries[i].name)));
    }
    // Always onward, whatever the other side says.
    request.from = roots.next > request.from ? roots.next : 0;
  } while (request.from != 0);
  return names;
}

absl::StatusOr<StatsPayload> ReadOnlyArena::Stats() {
  absl::StatusOr<ReceivedFrame> answer =
      Ask(FrameType::kGetStats, NamePayload{}, FrameType::kStats);
  if (!answer.ok()) return answer.status();
  StatsPayload stats{};
  UARENA_RETURN_IF_ERROR(ReadPayload(answer->frame, &stats));
  return stats;
}

}  // namespace uarena
