// SPDX-License-Identifier: Apache-2.0
#include "daemon/requests.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/status.h"
#include "os/syscall.h"

namespace uarena {
namespace {

// Anything may have been sent as a userfaultfd, and other files may keep whoever reads them
// waiting.
absl::Status CheckIsUffd(int fd) {
  char what[64];
  if (const int result = sys::DescribeFd(fd, what, sizeof(what)); result < 0) {
    return ErrnoStatus(result, "looking at a descriptor");
  }
  if (strcmp(what, "anon_inode:[userfaultfd]") != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the descriptor to serve is ", what, ", not a userfaultfd"));
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "making a userfaultfd non-blocking");
  }
  return absl::OkStatus();
}

template <typename T>
Answer MakeAnswer(FrameType type, const T& payload) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&payload);
  return Answer{type, std::vector<uint8_t>(bytes, bytes + sizeof(payload)), {}, nullptr};
}

Answer Done() { return Answer{FrameType::kDone, {}, {}, nullptr}; }

}  // namespace

Answer Requests::ErrorAnswer(const absl::Status& status) {
  return MakeAnswer(FrameType::kError, MakeError(status));
}

std::optional<Answer> Requests::Handle(const Frame& frame, size_t bytes,
                                       std::vector<UniqueFd>* fds) {
  if (const absl::Status status = CheckFrame(frame, bytes); !status.ok()) {
    return ErrorAnswer(status);
  }
  absl::StatusOr<Answer> answer = Dispatch(frame, fds);
  if (waiting_.has_value()) return std::nullopt;
  return answer.ok() ? *std::move(answer) : ErrorAnswer(answer.status());
}

std::optional<Answer> Requests::Retry() {
  if (!waiting_.has_value()) return std::nullopt;
  absl::StatusOr<Answer> answer = Open(*std::exchange(waiting_, std::nullopt));
  if (waiting_.has_value()) return std::nullopt;
  return answer.ok() ? *std::move(answer) : ErrorAnswer(answer.status());
}

absl::StatusOr<Answer> Requests::Dispatch(const Frame& frame, std::vector<UniqueFd>* fds) {
  switch (frame.header.type) {
    case FrameType::kOpen: {
      OpenPayload request;
      UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
      return Open(request);
    }
    case FrameType::kHandBack:
      return HandBack(*fds);
    case FrameType::kServe:
      return Serve(frame, fds);
    case FrameType::kList:
      return List(frame);
    case FrameType::kRemove:
      return Remove(frame);
    case FrameType::kGetRoots:
      return GetRoots(frame);
    case FrameType::kGetStats:
      return GetStats();
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("frame type ", static_cast<int>(frame.header.type), " is not a request"));
  }
}

absl::Status Requests::CheckOpened(bool opened) const {
  if (opened && arena_ == nullptr) {
    return absl::FailedPreconditionError("this connection has not opened an arena");
  }
  if (!opened && arena_ != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("this connection has opened arena \"", arena_->name(), "\" already"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Answer> Requests::Open(const OpenPayload& request) {
  UARENA_RETURN_IF_ERROR(CheckOpened(false));
  const std::string name = ReadText(request.name, sizeof(request.name));
  if (CheckName("arena name", name).ok() && registry_.MayReturn(name)) {
    waiting_ = request;
    return absl::UnavailableError("not known yet");
  }
  ArenaOptions options;
  options.max_pages = request.max_pages;
  options.user_vm_start = request.user_vm_start;
  options.quota_pages = request.quota_pages;
  options.create = (request.flags & kOpenCreate) != 0;
  options.page_size = (request.flags & kOpenHuge) != 0 ? PageSize::k2MiB : PageSize::kSystem;
  options.segv_on_fault = (request.flags & kOpenSegvOnFault) != 0;
  options.read_only = (request.flags & kOpenReadOnly) != 0;
  options.max_populate_pages = request.max_populate_pages;
  options.numa_node = request.numa_node;
  options.mode = request.mode;
  absl::StatusOr<std::shared_ptr<NamedArena>> arena = registry_.Open(name, options, peer_);
  if (!arena.ok()) return arena.status();
  Answer answer = MakeAnswer(FrameType::kOpened, (*arena)->Opened());
  if (options.read_only) {
    const absl::StatusOr<int> data = (*arena)->ReadOnlyData();
    if (!data.ok()) return data.status();
    answer.fds = {*data};
  } else {
    answer.fds = {(*arena)->data_fd(), (*arena)->control().fd(), (*arena)->deed_fd()};
  }
  arena_ = *std::move(arena);
  read_only_ = options.read_only;
  answer.keep = arena_;
  return answer;
}

absl::StatusOr<Answer> Requests::HandBack(const std::vector<UniqueFd>& fds) {
  UARENA_RETURN_IF_ERROR(CheckOpened(false));
  absl::StatusOr<std::shared_ptr<NamedArena>> arena = registry_.HandBack(fds, peer_);
  if (!arena.ok()) return arena.status();
  arena_ = *std::move(arena);
  return MakeAnswer(FrameType::kOpened, arena_->Opened());
}

absl::StatusOr<Answer> Requests::Serve(const Frame& frame, std::vector<UniqueFd>* fds) {
  ServePayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  UARENA_RETURN_IF_ERROR(CheckOpened(true));
  if (read_only_) {
    return absl::FailedPreconditionError("a read-only attach has no faults to serve");
  }
  if (served_) {
    return absl::FailedPreconditionError("this connection's faults are served already");
  }
  if (fds->size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("serving takes one userfaultfd, not ", fds->size(), " descriptors"));
  }
  if (request.process_slot >= kMaxProcesses) {
    return absl::InvalidArgumentError(
        absl::StrCat("process slot ", request.process_slot, " does not exist"));
  }
  UARENA_RETURN_IF_ERROR(CheckIsUffd(fds->front().get()));
  to_serve_ = ToServe{std::move(fds->front()), request.process_slot};
  served_ = true;
  fds->clear();
  return Done();
}

absl::StatusOr<Answer> Requests::List(const Frame& frame) const {
  NamePayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  return MakeAnswer(FrameType::kListed,
                    registry_.List(ReadText(request.name, sizeof(request.name)), peer_));
}

absl::StatusOr<Answer> Requests::Remove(const Frame& frame) {
  NamePayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  UARENA_RETURN_IF_ERROR(registry_.Remove(ReadText(request.name, sizeof(request.name)), peer_));
  return Done();
}

absl::StatusOr<Answer> Requests::GetRoots(const Frame& frame) const {
  GetRootsPayload request;
  UARENA_RETURN_IF_ERROR(ReadPayload(frame, &request));
  UARENA_RETURN_IF_ERROR(CheckOpened(true));
  const absl::StatusOr<RootsPayload> roots =
      arena_->Roots(ReadText(request.name, sizeof(request.name)), request.from);
  if (!roots.ok()) return roots.status();
  return MakeAnswer(FrameType::kRoots, *roots);
}

absl::StatusOr<Answer> Requests::GetStats() const {
  UARENA_RETURN_IF_ERROR(CheckOpened(true));
  return MakeAnswer(FrameType::kStats, arena_->Stats());
}

}  // namespace uarena
