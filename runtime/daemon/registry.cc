// SPDX-License-Identifier: Apache-2.0
#include "daemon/registry.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/arena_impl.h"
#include "memory/region.h"
#include "os/status.h"
#include "os/system.h"

namespace uarena {
namespace {

constexpr int kPlacementTries = 1000;

absl::Status NoSuchArena(std::string_view name) {
  return absl::NotFoundError(absl::StrCat("there is no arena \"", std::string(name), "\""));
}

absl::Status NotPermitted(const NamedArena& arena, const char* what) {
  const Ownership& ownership = arena.ownership();
  return absl::PermissionDeniedError(
      absl::StrFormat("arena \"%s\" belongs to user %d, group %d, with mode %03o: you may not %s",
                      arena.name(), ownership.uid, ownership.gid, ownership.mode, what));
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

absl::StatusOr<std::shared_ptr<NamedArena>> Registry::Open(std::string_view name,
                                                           const ArenaOptions& options,
                                                           const Peer& peer) {
  UARENA_RETURN_IF_ERROR(CheckName("arena name", name));
  const std::string key(name);
  if (const auto found = arenas_.find(key); found != arenas_.end()) {
    const NamedArena& arena = *found->second;
    if (options.read_only && !arena.ownership().MayRead(peer)) {
      return NotPermitted(arena, "read it");
    }
    if (!options.read_only && !arena.ownership().MayWrite(peer)) {
      return NotPermitted(arena, arena.ownership().MayRead(peer)
                                     ? "write to it; open it with read_only"
                                     : "open it");
    }
    UARENA_RETURN_IF_ERROR(CheckExpectations(arena, options));
    return found->second;
  }
  if (!options.create) return NoSuchArena(name);
  if (options.read_only && options.max_pages == 0) return NoSuchArena(name);
  absl::StatusOr<std::shared_ptr<NamedArena>> arena = Create(key, options, peer);
  if (arena.ok()) Add(*arena);
  return arena;
}

absl::StatusOr<uint64_t> Registry::ChooseBase(const ArenaOptions& options, uint64_t bytes) const {
  auto in_the_way = [&](uint64_t base) -> const NamedArena* {
    for (const auto& [name, arena] : arenas_) {
      const Geometry& other = arena->geometry();
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

absl::Status Registry::CheckLimit(uid_t owner, uint64_t bytes) const {
  if (owner == 0) return absl::OkStatus();
  size_t arenas = 0;
  uint64_t had_bytes = 0;
  for (const std::shared_ptr<NamedArena>& arena : Alive()) {
    if (arena->ownership().uid != owner) continue;
    ++arenas;
    had_bytes += arena->geometry().bytes();
  }
  if (arenas >= limits_.arenas) {
    return absl::ResourceExhaustedError(
        absl::StrCat("user ", owner, " has ", arenas,
                     " arenas, which is as many as uarenad allows (--max_arenas_per_user): remove "
                     "some (uarenactl rm)"));
  }
  if (bytes > limits_.bytes || had_bytes > limits_.bytes - bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("user ", owner, " has arenas of ", had_bytes, " bytes and asks for ", bytes,
                     " more; uarenad allows ", limits_.bytes,
                     " (--max_bytes_per_user): make it smaller, or remove some (uarenactl rm)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<NamedArena>> Registry::Create(const std::string& name,
                                                             const ArenaOptions& options,
                                                             const Peer& peer) {
  if ((options.mode & ~0666u) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "mode 0%o has other bits than 0666: r and w of user, group and others", options.mode));
  }
  if (geteuid() != 0 && peer.uid != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat("this uarenad is user ", geteuid(),
                                                    "'s and makes no arenas for user ", peer.uid,
                                                    "; ask one that root runs"));
  }
  absl::StatusOr<ArenaDescription> description = DescribeArena(options);
  if (!description.ok()) return description.status();
  UARENA_RETURN_IF_ERROR(CheckLimit(peer.uid, description->geometry.bytes()));
  description->name = name;
  Geometry& geometry = description->geometry;
  absl::StatusOr<uint64_t> base = ChooseBase(options, geometry.bytes());
  if (!base.ok()) return base.status();
  geometry.base = *base;
  return NamedArena::Make(*description, {peer.uid, peer.groups.at(0), options.mode});
}

absl::StatusOr<std::shared_ptr<NamedArena>> Registry::HandBack(const std::vector<UniqueFd>& fds,
                                                               const Peer& peer) {
  if (fds.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("handing back takes the data memfd, the control memfd and the deed, not ",
                     fds.size(), " descriptors"));
  }
  const absl::StatusOr<Deed> deed = ReadDeed(fds[2].get(), geteuid());
  if (!deed.ok()) return deed.status();
  const std::string& name = deed->description.name;
  if (!deed->ownership.MayWrite(peer)) {
    return absl::PermissionDeniedError(
        absl::StrCat("user ", peer.uid, " may not write to arena \"", name, "\""));
  }
  if (const auto known = by_id_.find(deed->id); known != by_id_.end()) {
    if (std::shared_ptr<NamedArena> arena = known->second.lock(); arena != nullptr) return arena;
  }
  if (arenas_.count(name) != 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("arena \"", name,
                     "\" is another one now; who has the old one keeps it, "
                     "without a name"));
  }
  UARENA_RETURN_IF_ERROR(CheckLimit(deed->ownership.uid, deed->description.geometry.bytes()));
  UniqueFd deed_fd(sys::ReopenReadOnly(fds[2].get()));
  if (!deed_fd.valid()) return ErrnoStatus(deed_fd.get(), "reopening a deed");
  absl::StatusOr<std::shared_ptr<NamedArena>> arena =
      NamedArena::TakeBack(*deed, fds[0].get(), fds[1].get(), std::move(deed_fd));
  if (!arena.ok()) return arena.status();
  Add(*arena);
  return arena;
}

void Registry::Add(const std::shared_ptr<NamedArena>& arena) {
  std::erase_if(by_id_, [](const auto& entry) { return entry.second.expired(); });
  arenas_[arena->name()] = arena;
  by_id_[arena->id()] = arena;
  if (on_add) on_add();
}

absl::Status Registry::Remove(std::string_view name, const Peer& peer) {
  const auto found = arenas_.find(std::string(name));
  if (found == arenas_.end()) return NoSuchArena(name);
  const std::shared_ptr<NamedArena> arena = found->second;
  if (!arena->ownership().MayRemove(peer)) return NotPermitted(*arena, "remove it");
  arenas_.erase(found);
  arena->Forget();
  return absl::OkStatus();
}

ListedPayload Registry::List(const std::string& after, const Peer& peer) const {
  ListedPayload page{};
  for (auto it = arenas_.upper_bound(after); it != arenas_.end(); ++it) {
    const Ownership& ownership = it->second->ownership();
    if (!ownership.MayRead(peer) && !ownership.MayWrite(peer)) continue;
    if (page.count == kListEntries) {
      page.more = 1;
      break;
    }
    page.entries[page.count++] = it->second->Describe();
  }
  return page;
}

std::vector<std::shared_ptr<NamedArena>> Registry::Alive() const {
  std::vector<std::shared_ptr<NamedArena>> alive;
  alive.reserve(by_id_.size());
  for (const auto& [id, arena] : by_id_) {
    if (std::shared_ptr<NamedArena> held = arena.lock(); held != nullptr) {
      alive.push_back(std::move(held));
    }
  }
  return alive;
}

}  // namespace uarena
