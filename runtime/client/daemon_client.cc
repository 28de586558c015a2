// SPDX-License-Identifier: Apache-2.0
#include "client/daemon_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ipc/channel.h"
#include "os/status.h"

namespace uarena {

absl::StatusOr<OpenedArena> OpenFromDaemon(std::string_view name, const ArenaOptions& options) {
  UARENA_RETURN_IF_ERROR(CheckName("arena name", name));
  OpenedArena opened;
  absl::StatusOr<UniqueFd> socket = ConnectToDaemon(options.socket_path, &opened.socket_path);
  if (!socket.ok()) return socket.status();
  OpenPayload request{};
  WriteText(request.name, sizeof(request.name), name);
  request.max_pages = options.max_pages;
  request.user_vm_start = options.user_vm_start;
  request.quota_pages = options.quota_pages;
  request.flags = (options.create ? kOpenCreate : 0u) |
                  (options.page_size == PageSize::k2MiB ? kOpenHuge : 0u) |
                  (options.segv_on_fault ? kOpenSegvOnFault : 0u) |
                  (options.read_only ? kOpenReadOnly : 0u);
  request.max_populate_pages = options.max_populate_pages;
  request.numa_node = options.numa_node;
  request.mode = options.mode;
  absl::StatusOr<ReceivedFrame> answer =
      Call(socket->get(), FrameType::kOpen, request, {}, FrameType::kOpened);
  if (!answer.ok()) return answer.status();
  UARENA_RETURN_IF_ERROR(ReadPayload(answer->frame, &opened.says));
  const size_t expected = options.read_only ? 1 : 3;
  if (answer->fds.size() != expected) {
    return absl::InternalError(absl::StrCat("the daemon sent ", answer->fds.size(),
                                            " descriptors where ", expected,
                                            " are needed; is RLIMIT_NOFILE reached?"));
  }
  opened.socket = *std::move(socket);
  opened.data = std::move(answer->fds[0]);
  if (!options.read_only) {
    opened.control = std::move(answer->fds[1]);
    opened.deed = std::move(answer->fds[2]);
  }
  return opened;
}

absl::Status AskToServe(int socket, int uffd, uint32_t process_slot) {
  const ServePayload request{process_slot, 0};
  const int fds[] = {uffd};
  return Call(socket, FrameType::kServe, request, fds, FrameType::kDone).status();
}

absl::StatusOr<std::vector<ArenaEntry>> ListArenas(const std::string& socket_path) {
  absl::StatusOr<UniqueFd> socket = ConnectToDaemon(socket_path);
  if (!socket.ok()) return socket.status();
  std::vector<ArenaEntry> entries;
  NamePayload after{};
  while (true) {
    absl::StatusOr<ReceivedFrame> answer =
        Call(socket->get(), FrameType::kList, after, {}, FrameType::kListed);
    if (!answer.ok()) return answer.status();
    ListedPayload page;
    UARENA_RETURN_IF_ERROR(ReadPayload(answer->frame, &page));
    const uint32_t count = std::min<uint32_t>(page.count, kListEntries);
    entries.insert(entries.end(), page.entries, page.entries + count);
    if (page.more == 0 || count == 0) return entries;
    std::copy(std::begin(entries.back().name), std::end(entries.back().name), after.name);
  }
}

absl::Status RemoveArena(const std::string& socket_path, std::string_view name) {
  UARENA_RETURN_IF_ERROR(CheckName("arena name", name));
  absl::StatusOr<UniqueFd> socket = ConnectToDaemon(socket_path);
  if (!socket.ok()) return socket.status();
  NamePayload request{};
  WriteText(request.name, sizeof(request.name), name);
  return Call(socket->get(), FrameType::kRemove, request, {}, FrameType::kDone).status();
}

}  // namespace uarena
