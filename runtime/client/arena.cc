// SPDX-License-Identifier: Apache-2.0
//
// The public class: checks arguments, calls the layers below, and turns -errno into statuses that
// name the argument.
#include "uarena/arena.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/arena_impl.h"
#include "client/daemon_client.h"
#include "client/page_status.h"
#include "fault/in_place.h"
#include "heap/heap_check.h"
#include "ipc/channel.h"
#include "ipc/protocol.h"
#include "memory/backing.h"
#include "os/status.h"
#include "os/system.h"
#include "pages/check.h"
#include "pages/counters.h"
#include "pages/recovery.h"
#include "pages/roots.h"

namespace uarena {
namespace {

uint64_t Address(const void* ptr) { return reinterpret_cast<uint64_t>(ptr); }

absl::Status NotInside(const char* argument, const void* ptr, const Geometry& geometry) {
  return absl::OutOfRangeError(absl::StrFormat("%s %p is not in the arena [0x%x, 0x%x)", argument,
                                               ptr, geometry.base,
                                               geometry.base + geometry.bytes()));
}

absl::Status CheckCount(uint64_t count, const Geometry& geometry) {
  if (count == 0) return absl::InvalidArgumentError("count is 0; at least 1 page is needed");
  if (count > geometry.max_pages) {
    return absl::OutOfRangeError(
        absl::StrCat("count ", count, " is more than the arena's ", geometry.max_pages, " pages"));
  }
  return absl::OkStatus();
}

// Only a connected Unix socket carries descriptors; others drop them without a word.
absl::Status CheckUnixSocket(int socket_fd) {
  sockaddr_un peer{};
  socklen_t bytes = sizeof(peer);
  const bool connected = getpeername(socket_fd, reinterpret_cast<sockaddr*>(&peer), &bytes) == 0;
  if (connected && peer.sun_family == AF_UNIX) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("socket_fd ", socket_fd, " is not a connected Unix socket",
                   connected ? "" : absl::StrCat(": ", strerror(errno))));
}

// For calls that take exactly the range they are given.
absl::Status CheckExactRange(const void* addr, uint64_t count, const Geometry& geometry) {
  UARENA_RETURN_IF_ERROR(CheckCount(count, geometry));
  const uint64_t offset = Address(addr) - geometry.base;
  if (offset % geometry.page_size() != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "addr %p is not a multiple of the page size %d", addr, geometry.page_size()));
  }
  if (!geometry.Contains(Address(addr))) return NotInside("addr", addr, geometry);
  const uint64_t page = geometry.PageOf(Address(addr));
  if (count > geometry.max_pages - page) {
    return absl::OutOfRangeError(
        absl::StrFormat("addr %p with count %d ends %d pages past the arena", addr, count,
                        count - (geometry.max_pages - page)));
  }
  return absl::OkStatus();
}

}  // namespace

Arena::Arena(std::shared_ptr<ArenaImpl> impl) : impl_(std::move(impl)) {}
Arena::Arena(Arena&&) noexcept = default;
Arena& Arena::operator=(Arena&&) noexcept = default;
Arena::~Arena() = default;

absl::StatusOr<Arena> Arena::Create(const ArenaOptions& options) {
  if (options.fault_mode == FaultMode::kServed) {
    return absl::InvalidArgumentError(
        "fault_mode served: an arena made by Arena::Create has no daemon; use Arena::Open");
  }
  absl::StatusOr<std::shared_ptr<ArenaImpl>> impl = ArenaImpl::Create(options);
  if (!impl.ok()) return impl.status();
  return Arena(*std::move(impl));
}

absl::StatusOr<Arena> Arena::Open(std::string_view name, const ArenaOptions& options) {
  absl::StatusOr<OpenedArena> opened = OpenFromDaemon(name, options);
  if (!opened.ok()) return opened.status();
  absl::StatusOr<std::shared_ptr<ArenaImpl>> impl =
      options.read_only
          ? ArenaImpl::AttachReadOnly(name, *std::move(opened), options)
          : ArenaImpl::Attach(std::move(opened->control), std::move(opened->data),
                              {std::move(opened->socket), std::move(opened->socket_path),
                               std::move(opened->deed)},
                              options);
  if (!impl.ok()) return impl.status();
  return Arena(*std::move(impl));
}

absl::Status Arena::Remove(std::string_view name, const ArenaOptions& options) {
  return RemoveArena(options.socket_path, name);
}

absl::Status Arena::Send(int socket_fd) const {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("Send");
  UARENA_RETURN_IF_ERROR(CheckUnixSocket(socket_fd));
  const int fds[] = {impl_->data_fd(), impl_->control().fd()};
  return SendFrame(socket_fd, FrameType::kArena, std::span<const uint8_t>(), fds);
}

absl::StatusOr<Arena> Arena::Receive(int socket_fd, const ArenaOptions& options) {
  if (options.fault_mode == FaultMode::kServed) {
    return absl::InvalidArgumentError(
        "fault_mode served: an arena received from a process has no daemon; use Arena::Open");
  }
  UARENA_RETURN_IF_ERROR(CheckUnixSocket(socket_fd));
  absl::StatusOr<ReceivedFrame> received = ReceiveFrame(socket_fd);
  if (!received.ok()) return received.status();
  if (received->frame.header.type != FrameType::kArena || received->fds.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "what came over the socket is not an arena: frame type ",
        static_cast<int>(received->frame.header.type), ", ", received->fds.size(), " descriptors"));
  }
  absl::StatusOr<std::shared_ptr<ArenaImpl>> impl = ArenaImpl::Attach(
      std::move(received->fds[1]), std::move(received->fds[0]), DaemonLink(), options);
  if (!impl.ok()) return impl.status();
  return Arena(*std::move(impl));
}

absl::StatusOr<void*> Arena::AllocPages(void* addr, uint64_t count, int node) {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("AllocPages");
  const Geometry& geometry = impl_->geometry();
  UARENA_RETURN_IF_ERROR(CheckCount(count, geometry));
  if (addr != nullptr) UARENA_RETURN_IF_ERROR(CheckExactRange(addr, count, geometry));
  if (node != kNoNode && !NodeOnline(node)) {
    return absl::InvalidArgumentError(
        absl::StrCat("node ", node, " does not exist or is offline; kNoNode means any"));
  }
  uint64_t first = 0;
  const bool anywhere = addr == nullptr && node == kNoNode;
  if (anywhere && impl_->kept().Take(count, &first)) {
    return reinterpret_cast<void*>(geometry.AddressOf(first));
  }
  int error = 0;
  // 2 MiB pages come from a pool, which says for itself what it has.
  if (!geometry.huge && !impl_->memory_budget().Take(count << geometry.page_shift)) {
    error = -ENOMEM;
  } else {
    std::optional<uint64_t> at;
    if (addr != nullptr) at = geometry.PageOf(Address(addr));
    error = impl_->allocator().Allocate(
        at, count, node != kNoNode ? node : impl_->control().description().numa_node,
        anywhere ? &impl_->kept() : nullptr, &first);
  }
  if (error != 0) {
    return PageStatus(
        error,
        absl::StrFormat("AllocPages(%s, %d)",
                        addr == nullptr ? "nullptr" : absl::StrFormat("%p", addr), count),
        impl_->control());
  }
  return reinterpret_cast<void*>(geometry.AddressOf(first));
}

absl::Status Arena::FreePages(void* addr, uint64_t count) {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("FreePages");
  const Geometry& geometry = impl_->geometry();
  if (count == 0) return absl::InvalidArgumentError("count is 0; at least 1 page is needed");
  if (!geometry.Contains(Address(addr))) return NotInside("addr", addr, geometry);
  const uint64_t first = geometry.PageOf(Address(addr));
  count = std::min(count, geometry.max_pages - first);
  if (impl_->kept().Keep(first, count)) return absl::OkStatus();
  const int error = impl_->allocator().Free(first, count);
  if (error == 0) return absl::OkStatus();
  return PageStatus(error, absl::StrFormat("FreePages(%p, %d)", addr, count), impl_->control());
}

absl::Status Arena::ReservePages(void* addr, uint64_t count) {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("ReservePages");
  const Geometry& geometry = impl_->geometry();
  UARENA_RETURN_IF_ERROR(CheckExactRange(addr, count, geometry));
  const int error = impl_->allocator().Reserve(geometry.PageOf(Address(addr)), count);
  if (error == 0) return absl::OkStatus();
  return PageStatus(error, absl::StrFormat("ReservePages(%p, %d)", addr, count), impl_->control());
}

absl::Status Arena::Populate(const void* addr, size_t bytes) {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("Populate");
  const Geometry& geometry = impl_->geometry();
  if (bytes == 0) return absl::InvalidArgumentError("bytes is 0; at least 1 is needed");
  if (!geometry.Contains(Address(addr))) return NotInside("addr", addr, geometry);
  if (bytes > geometry.base + geometry.bytes() - Address(addr)) {
    return absl::OutOfRangeError(
        absl::StrFormat("addr %p with %d bytes ends past the arena", addr, bytes));
  }
  const uint64_t first = geometry.PageOf(Address(addr));
  const uint64_t last = geometry.PageOf(Address(addr) + bytes - 1);
  const int error = impl_->allocator().Populate(first, last - first + 1);
  if (error == 0) return absl::OkStatus();
  return PageStatus(error, absl::StrFormat("Populate(%p, %d)", addr, bytes), impl_->control());
}

void* Arena::base() const { return reinterpret_cast<void*>(impl_->geometry().base); }
size_t Arena::size() const { return impl_->geometry().bytes(); }
size_t Arena::page_size() const { return impl_->geometry().page_size(); }
uint64_t Arena::max_pages() const { return impl_->geometry().max_pages; }

bool Arena::Contains(const void* ptr) const { return impl_->geometry().Contains(Address(ptr)); }

absl::StatusOr<uint32_t> Arena::ToOffset(const void* ptr) const {
  const Geometry& geometry = impl_->geometry();
  if (geometry.bytes() > k4GiB) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an arena of ", geometry.bytes(), " bytes has no 32-bit offsets; at most 4 GiB has"));
  }
  if (ptr == nullptr) return 0u;
  if (!geometry.Contains(Address(ptr))) return NotInside("ptr", ptr, geometry);
  if (static_cast<uint32_t>(Address(ptr)) == 0) {
    return absl::OutOfRangeError(absl::StrFormat(
        "ptr %p has the offset 0, which means null; keep objects away from the arena's first byte",
        ptr));
  }
  return static_cast<uint32_t>(Address(ptr));
}

absl::StatusOr<void*> Arena::FromOffset(uint32_t offset) const {
  const Geometry& geometry = impl_->geometry();
  if (geometry.bytes() > k4GiB) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an arena of ", geometry.bytes(), " bytes has no 32-bit offsets; at most 4 GiB has"));
  }
  if (offset == 0) return nullptr;
  const uint64_t address = (geometry.base & ~(k4GiB - 1)) | offset;
  if (!geometry.Contains(address)) {
    return NotInside("offset", reinterpret_cast<void*>(uint64_t{offset}), geometry);
  }
  return reinterpret_cast<void*>(address);
}

absl::Status Arena::SetRoot(std::string_view name, const void* ptr) {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("SetRoot");
  UARENA_RETURN_IF_ERROR(CheckName("root name", name));
  const Geometry& geometry = impl_->geometry();
  if (ptr == nullptr) {
    const int error = RemoveRoot(impl_->control(), impl_->slot(), name);
    if (error == -ENOENT) return NoRoot(name);
    if (error == -EBUSY) return RootIsBusy(name);
    return PageStatus(error, absl::StrCat("SetRoot(\"", std::string(name), "\", nullptr)"),
                      impl_->control());
  }
  if (!geometry.Contains(Address(ptr))) return NotInside("ptr", ptr, geometry);
  const int error =
      uarena::SetRoot(impl_->control(), impl_->slot(), name, Address(ptr) - geometry.base);
  return SetRootStatus(error, name, impl_->control());
}

absl::StatusOr<void*> Arena::Root(std::string_view name) const {
  UARENA_RETURN_IF_ERROR(CheckName("root name", name));
  uint64_t offset = 0;
  if (impl_->read_only() != nullptr) {
    const absl::StatusOr<uint64_t> answer = impl_->read_only()->Root(name);
    if (!answer.ok()) return answer.status();
    offset = *answer;
  } else {
    FoundRoot root;
    int error = FindRoot(impl_->control(), impl_->slot(), name, &root);
    if (error == 0 && root.builder != 0) error = -ENOENT;
    if (error == -ENOENT) return NoRoot(name);
    offset = root.offset;
    UARENA_RETURN_IF_ERROR(
        PageStatus(error, absl::StrCat("Root(\"", std::string(name), "\")"), impl_->control()));
  }
  if (offset >= impl_->geometry().bytes()) {
    return absl::DataLossError(absl::StrCat("root \"", std::string(name), "\" has offset ", offset,
                                            ", outside the arena"));
  }
  return reinterpret_cast<void*>(impl_->geometry().base + offset);
}

std::vector<std::string> Arena::RootNames() const {
  if (impl_->read_only() != nullptr) {
    return impl_->read_only()->RootNames().value_or(std::vector<std::string>());
  }
  return uarena::RootNames(impl_->control(), impl_->slot());
}

absl::StatusOr<ArenaStats> Arena::Stats() const {
  if (impl_->read_only() != nullptr) {
    const absl::StatusOr<StatsPayload> answer = impl_->read_only()->Stats();
    if (!answer.ok()) return answer.status();
    ArenaStats stats;
    stats.max_pages = max_pages();
    stats.page_size = page_size();
    stats.allocated_pages = answer->allocated_pages;
    stats.reserved_pages = answer->reserved_pages;
    stats.ahead_pages = answer->ahead_pages;
    stats.kept_pages = answer->kept_pages;
    stats.free_pages = answer->free_pages;
    stats.populated_pages = answer->populated_pages;
    stats.processes = answer->processes;
    return stats;
  }
  const Control& control = impl_->control();
  if (const int error = impl_->allocator().Settle(0, control.max_pages(), false); error != 0) {
    return PageStatus(error, "Stats()", control);
  }
  absl::StatusOr<uint64_t> populated = ResidentPages(impl_->data_fd(), page_size());
  if (!populated.ok()) return populated.status();
  const PageCounts counts = CountPages(control);
  ArenaStats stats;
  stats.max_pages = max_pages();
  stats.page_size = page_size();
  stats.allocated_pages = counts.allocated;
  stats.reserved_pages = counts.reserved;
  stats.ahead_pages = counts.ahead;
  stats.kept_pages = counts.kept;
  stats.free_pages = counts.free + counts.kept;
  stats.populated_pages = *populated;
  stats.processes = CountProcesses(control);
  stats.faults = ReadFaultStats(control.process(impl_->slot()));
  return stats;
}

absl::StatusOr<int> Arena::Recover() {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("Recover");
  const int result = RecoverDeadProcesses(impl_->control(), impl_->allocator().context());
  if (result < 0) return PageStatus(result, "Recover()", impl_->control());
  return result;
}

absl::Status Arena::CheckInvariants() const {
  if (impl_->read_only() != nullptr) return RefuseReadOnly("CheckInvariants");
  UARENA_RETURN_IF_ERROR(uarena::CheckInvariants(impl_->control(), impl_->slot()));
  return CheckHeap(impl_->heap().table());
}

FaultMode Arena::fault_mode() const { return impl_->mode(); }
std::string Arena::fault_mode_reason() const { return impl_->reason(); }
const std::string& Arena::name() const { return impl_->name(); }

bool HandleSigbus(int signal, siginfo_t* info, void* context) {
  return signal == SIGBUS && ResolveSigbus(info, context);
}

}  // namespace uarena
