// SPDX-License-Identifier: Apache-2.0
#include "daemon/registry.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/arena_impl.h"
#include "memory/backing.h"
#include "memory/region.h"
#include "os/status.h"
#include "os/system.h"
#include "pages/counters.h"
#include "pages/recovery.h"

namespace uarena {
namespace {

constexpr int kPlacementTries = 1000;

absl::Status NoSuchArena(std::string_view name) {
  return absl::NotFoundError(absl::StrCat("there is no arena \"", std::string(name), "\""));
}

absl::Status NotYours(std::string_view name) {
  return absl::PermissionDeniedError(
      absl::StrCat("arena \"", std::string(name), "\" belongs to another user"));
}

// An existing arena must be what the caller expects of it, as far as the caller says.
absl::Status CheckExpectations(const NamedArena& arena, const ArenaOptions& options) {
  const ArenaDescription& has = arena.control().description();
  auto differs = [&](const char* what, uint64_t wanted, uint64_t found) {
    return absl::FailedPreconditionError(
        absl::StrCat("arena \"", arena.name(), "\" exists with ", what, " ", found, ", not ",
                     wanted, "; open it with max_pages 0 to take it as it is, or remove it first"));
  };
  if (options.max_pages == 0) return absl::OkStatus();
  if (options.max_pages != has.geometry.max_pages) {
    return differs("max_pages", options.max_pages, has.geometry.max_pages);
  }
  const bool huge = options.page_size == PageSize::k2MiB;
  if (huge != has.geometry.huge) {
    return differs("page size", huge ? 2 << 20 : SystemPageSize(), has.geometry.page_size());
  }
  if (options.user_vm_start != 0 && options.user_vm_start != has.geometry.base) {
    return differs("user_vm_start", options.user_vm_start, has.geometry.base);
  }
  if (options.segv_on_fault != has.segv_on_fault) {
    return differs("segv_on_fault", options.segv_on_fault, has.segv_on_fault);
  }
  return absl::OkStatus();
}

}  // namespace

NamedArena::NamedArena(std::string name, uid_t owner, Control control, UniqueFd data,
                       Membership membership)
    : name_(std::move(name)),
      owner_(owner),
      control_(std::move(control)),
      data_(std::move(data)),
      membership_(std::move(membership)) {}

NamedArena::~NamedArena() { membership_.Leave(control_); }

ArenaEntry NamedArena::Describe() const {
  const Geometry& geometry = control_.description().geometry;
  ArenaEntry entry{};
  WriteText(entry.name, sizeof(entry.name), name_);
  entry.base = geometry.base;
  entry.max_pages = geometry.max_pages;
  entry.page_size = geometry.page_size();
  entry.allocated_pages = CountPages(control_).allocated;
  entry.populated_pages = ResidentPages(data_.get(), geometry.page_size()).value_or(0);
  // Not counting the daemon.
  const uint32_t processes = CountProcesses(control_);
  entry.processes = processes > 0 ? processes - 1 : 0;
  entry.owner_uid = owner_;
  return entry;
}

void NamedArena::Recover() const {
  const PageContext context{&control_, Mapper(control_.description().geometry, data_.get(), -1),
                            data_.get()};
  RecoverDeadProcesses(control_, context);
}

absl::StatusOr<std::shared_ptr<NamedArena>> Registry::Open(std::string_view name,
                                                           const ArenaOptions& options,
                                                           const Peer& peer) {
  UARENA_RETURN_IF_ERROR(CheckName("arena name", name));
  const std::string key(name);
  if (const auto found = arenas_.find(key); found != arenas_.end()) {
    if (!found->second->MayOpen(peer)) return NotYours(name);
    UARENA_RETURN_IF_ERROR(CheckExpectations(*found->second, options));
    return found->second;
  }
  if (!options.create) return NoSuchArena(name);
  absl::StatusOr<std::shared_ptr<NamedArena>> arena = Create(key, options, peer);
  if (arena.ok()) arenas_[key] = *arena;
  return arena;
}

absl::StatusOr<uint64_t> Registry::ChooseBase(const ArenaOptions& options, uint64_t bytes) const {
  auto in_the_way = [&](uint64_t base) -> const NamedArena* {
    for (const auto& [name, arena] : arenas_) {
      const Geometry& other = arena->control().description().geometry;
      if (base - kGuardBytes < other.base + other.bytes() + kGuardBytes &&
          other.base - kGuardBytes < base + bytes + kGuardBytes) {
        return arena.get();
      }
    }
    return nullptr;
  };
  if (options.user_vm_start != 0) {
    if (const NamedArena* other = in_the_way(options.user_vm_start); other != nullptr) {
      return absl::AlreadyExistsError(
          absl::StrFormat("user_vm_start 0x%x: %d bytes there overlap arena \"%s\"",
                          options.user_vm_start, bytes, other->name()));
    }
    return options.user_vm_start;
  }
  for (int i = 0; i < kPlacementTries; ++i) {
    const uint64_t base = RandomBase(bytes);
    if (in_the_way(base) == nullptr) return base;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("no address range of ", bytes, " bytes is free of other arenas"));
}

absl::StatusOr<std::shared_ptr<NamedArena>> Registry::Create(const std::string& name,
                                                             const ArenaOptions& options,
                                                             const Peer& peer) {
  absl::StatusOr<ArenaDescription> description = DescribeArena(options);
  if (!description.ok()) return description.status();
  description->name = name;
  Geometry& geometry = description->geometry;
  absl::StatusOr<uint64_t> base = ChooseBase(options, geometry.bytes());
  if (!base.ok()) return base.status();
  geometry.base = *base;
  absl::StatusOr<NewArena> made = MakeArena(*description);
  if (!made.ok()) return made.status();
  // The owner reopens the control memfd in each of its processes, so it must be the owner's.
  for (const int fd : {made->data.get(), made->control.fd()}) {
    if (peer.uid != geteuid() && fchown(fd, peer.uid, peer.gid) != 0) {
      return ErrnoStatus(errno, absl::StrCat("giving arena \"", name, "\" to user ", peer.uid),
                         "a daemon that is not root serves its own user only");
    }
  }
  absl::StatusOr<Membership> membership = Membership::Join(made->control);
  if (!membership.ok()) return membership.status();
  made->control.process(membership->slot()).mode.store(static_cast<uint32_t>(FaultMode::kServed));
  return std::make_shared<NamedArena>(name, peer.uid, std::move(made->control),
                                      std::move(made->data), *std::move(membership));
}

absl::Status Registry::Remove(std::string_view name, const Peer& peer) {
  const auto found = arenas_.find(std::string(name));
  if (found == arenas_.end()) return NoSuchArena(name);
  if (!found->second->MayOpen(peer)) return NotYours(name);
  arenas_.erase(found);
  return absl::OkStatus();
}

ListedPayload Registry::List(const std::string& after, const Peer& peer) const {
  ListedPayload page{};
  for (auto it = arenas_.upper_bound(after); it != arenas_.end(); ++it) {
    if (!it->second->MayOpen(peer)) continue;
    if (page.count == kListEntries) {
      page.more = 1;
      break;
    }
    page.entries[page.count++] = it->second->Describe();
  }
  return page;
}

void Registry::RecoverAll() const {
  for (const auto& [name, arena] : arenas_) arena->Recover();
}

}  // namespace uarena
