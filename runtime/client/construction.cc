// SPDX-License-Identifier: Apache-2.0
#include "uarena/internal/construction.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/arena_impl.h"
#include "client/attached.h"
#include "client/page_status.h"
#include "client/thread_heap.h"
#include "ipc/protocol.h"
#include "os/failpoint.h"
#include "os/status.h"
#include "pages/recovery.h"
#include "pages/roots.h"

namespace uarena::internal {
namespace {

// While somebody else constructs: how often to look again, and whether that one has died.
constexpr useconds_t kFirstWaitUs = 50;
constexpr useconds_t kLongestWaitUs = 2000;
// Looks in a row that found a claim and nobody behind it.
constexpr int kMostOrphaned = 16;

// The type as a root keeps it: of a long name the beginning and a hash of all of it.
RootType Kept(const TypeDescription& type) {
  RootType kept{type.name, type.size, type.version};
  if (kept.name.size() >= kRootTypeBytes) {
    uint64_t hash = 14695981039346656037u;  // FNV-1a; the same in every process
    for (const char c : kept.name) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
    kept.name.resize(kRootTypeBytes - 1 - 20);
    absl::StrAppendFormat(&kept.name, "...#%016x", hash);
  }
  return kept;
}

std::string Shown(const RootType& type) {
  if (type.size == 0) return "has no type (SetRoot gives none)";
  return absl::StrCat("is of type ", type.name, ", ", type.size, " bytes, version ", type.version);
}

absl::Status CheckType(std::string_view name, const RootType& is, const RootType& wanted) {
  if (is.name == wanted.name && is.size == wanted.size && is.version == wanted.version) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("root \"", std::string(name), "\" ", Shown(is),
                                                    "; asked for was one that ", Shown(wanted)));
}

absl::StatusOr<ArenaImpl*> ArenaOf(Heap heap, const char* call) {
  const std::optional<Attached> attached = FindAttached(heap.base());
  if (!attached.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: no arena at %p is attached in this process", call, heap.base()));
  }
  if (attached->owner_id == 0) return RefuseReadOnly(call);
  return attached->arena;
}

absl::StatusOr<void*> Address(const ArenaImpl& arena, std::string_view name,
                              const FoundRoot& root) {
  const Geometry& geometry = arena.geometry();
  if (root.offset < geometry.bytes() && root.type.size <= geometry.bytes() - root.offset) {
    return reinterpret_cast<void*>(geometry.base + root.offset);
  }
  return absl::DataLossError(absl::StrCat("root \"", std::string(name), "\" has offset ",
                                          root.offset, " and size ", root.type.size,
                                          ", outside the arena"));
}

// Whether somebody constructs in that cache, or has died doing so and will be recovered. Otherwise
// the object has been finished since, or the memory is damaged.
bool BuilderExists(const Control& control, uint32_t builder) {
  const uint32_t record = builder < kMaxHeapCaches ? control.cache(builder).load() : 0;
  const uint32_t slot = CacheOwner(record) - 1;
  return (record & kCacheApart) != 0 && slot < kMaxProcesses &&
         control.process(slot).state.load() != 0;
}

absl::Status RootStatus(int error, std::string_view name, const ArenaImpl& arena,
                        const char* call) {
  if (error == -ENOENT) return NoRoot(name);
  if (error == -EBUSY || error == -ENOSPC) return SetRootStatus(error, name, arena.control());
  return PageStatus(error, absl::StrCat(call, "(\"", std::string(name), "\")"), arena.control());
}

}  // namespace

std::string TypeNameFrom(std::string_view pretty) {
  // GCC: "... [with T = X]" or "[with T = X; other = ...]"; Clang: "... [T = X]".
  const size_t at = pretty.find("T = ");
  if (at == std::string_view::npos) return std::string(pretty);
  pretty.remove_prefix(at + 4);
  return std::string(pretty.substr(0, std::min(pretty.find(';'), pretty.rfind(']'))));
}

absl::StatusOr<void*> FindTypedRoot(Heap heap, std::string_view name, const TypeDescription& type) {
  UARENA_RETURN_IF_ERROR(CheckName("root name", name));
  absl::StatusOr<ArenaImpl*> arena = ArenaOf(heap, "Find");
  if (!arena.ok()) return arena.status();
  FoundRoot root;
  int error = FindRoot((*arena)->control(), (*arena)->slot(), name, &root);
  if (error == 0 && root.builder != 0) error = -ENOENT;
  if (error != 0) return RootStatus(error, name, **arena, "Find");
  UARENA_RETURN_IF_ERROR(CheckType(name, root.type, Kept(type)));
  return Address(**arena, name, root);
}

absl::Status SetTypedRoot(Heap heap, std::string_view name, void* object,
                          const TypeDescription& type) {
  UARENA_RETURN_IF_ERROR(CheckName("root name", name));
  absl::StatusOr<ArenaImpl*> arena = ArenaOf(heap, "Publish");
  if (!arena.ok()) return arena.status();
  const Geometry& geometry = (*arena)->geometry();
  const auto address = reinterpret_cast<uint64_t>(object);
  if (!geometry.Contains(address)) {
    return absl::OutOfRangeError(absl::StrFormat("object %p is not in the arena [0x%x, 0x%x)",
                                                 object, geometry.base,
                                                 geometry.base + geometry.bytes()));
  }
  return SetRootStatus(
      SetRoot((*arena)->control(), (*arena)->slot(), name, address - geometry.base, Kept(type)),
      name, (*arena)->control());
}

absl::Status RemoveTypedRoot(Heap heap, std::string_view name, const void* object) {
  absl::StatusOr<ArenaImpl*> arena = ArenaOf(heap, "Destroy");
  if (!arena.ok()) return arena.status();
  return RootStatus(RemoveRoot((*arena)->control(), (*arena)->slot(), name,
                               reinterpret_cast<uint64_t>(object) - (*arena)->geometry().base),
                    name, **arena, "Destroy");
}

// What a construction under way holds; the thread's innermost first.
struct Construction::Claim {
  Claim(ArenaImpl* of, Heap heap, std::string_view root, std::unique_ptr<ThreadCache> cache)
      : arena(of),
        owner_id(OwnerId(of->control(), of->slot())),
        name(root),
        apart(std::move(cache)),
        using_apart(std::make_unique<UsingCache>(heap, apart.get())),
        outer(t_innermost) {
    t_innermost = this;
  }
  ~Claim() {
    t_innermost = outer;
    if (!here()) {
      static_cast<void>(using_apart.release());  // the cache that it would give back to is not here
      return;
    }
    ThreadCache* own = using_apart->own();
    using_apart.reset();
    if (!ended) return;  // the root names the cache still: recovery ends both, with the process
    EndApart(arena->control(), apart->id());
    apart->MergeInto(*own);
  }
  // False in a child that was forked meanwhile: the claim is its parent's.
  bool here() const { return owner_id == OwnerId(arena->control(), arena->slot()); }

  ArenaImpl* const arena;
  const uint32_t owner_id;
  const std::string name;
  std::unique_ptr<ThreadCache> apart;
  std::unique_ptr<UsingCache> using_apart;
  Claim* const outer;
  bool ended = false;  // finished, or given up
  static constinit thread_local Claim* t_innermost;
};
constinit thread_local Construction::Claim* Construction::Claim::t_innermost = nullptr;

Construction::Construction() = default;
Construction::Construction(Construction&&) noexcept = default;
Construction& Construction::operator=(Construction&&) noexcept = default;

Construction::~Construction() {
  if (claim_ == nullptr || claim_->ended || !claim_->here()) return;
  const Operation operation(claim_->arena->control(), claim_->arena->slot());
  if (operation.index() != 0) {
    DropClaim(claim_->arena->control(), operation.index(), claim_->apart->id());
    claim_->ended = true;
  }
}

absl::StatusOr<Construction> Construction::Begin(Heap heap, std::string_view name,
                                                 const TypeDescription& type) {
  UARENA_RETURN_IF_ERROR(CheckName("root name", name));
  absl::StatusOr<ArenaImpl*> arena = ArenaOf(heap, "FindOrConstruct");
  if (!arena.ok()) return arena.status();
  const Control& control = (*arena)->control();
  const RootType kept = Kept(type);
  Construction construction;
  useconds_t wait = kFirstWaitUs;
  int orphaned = 0;
  while (true) {
    FoundRoot root;
    int error = FindRoot(control, (*arena)->slot(), name, &root);
    if (error == 0) {
      UARENA_RETURN_IF_ERROR(CheckType(name, root.type, kept));
      if (root.builder == 0) {
        absl::StatusOr<void*> object = Address(**arena, name, root);
        if (!object.ok()) return object.status();
        construction.found_ = *object;
        return construction;
      }
      for (const Claim* claim = Claim::t_innermost; claim != nullptr; claim = claim->outer) {
        if (claim->arena == *arena && claim->apart->id() == root.builder) {
          return absl::FailedPreconditionError(
              absl::StrCat("root \"", std::string(name), "\" is asked for by its own constructor"));
        }
      }
      usleep(wait);
      wait = std::min(wait * 2, kLongestWaitUs);
      if (wait == kLongestWaitUs) RecoverDeadProcesses(control, (*arena)->allocator().context());
      // Seen once, it may have been finished meanwhile.
      orphaned = BuilderExists(control, root.builder) ? 0 : orphaned + 1;
      if (orphaned > kMostOrphaned) {
        return absl::DataLossError(absl::StrCat("root \"", std::string(name),
                                                "\" is being constructed by nobody: the arena's "
                                                "control memory is damaged"));
      }
      continue;
    }
    if (error != -ENOENT) return RootStatus(error, name, **arena, "FindOrConstruct");
    // The thread's own cache first, which the one apart is merged into.
    std::unique_ptr<ThreadCache> apart;
    if (UsingCache(heap, nullptr).own() != nullptr) apart = (*arena)->heap().NewApart();
    if (apart == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("FindOrConstruct: ", kMaxHeapCaches - 1, " threads use this heap already"));
    }
    UARENA_FAILPOINT("construct.apart");
    error = ClaimRoot(control, (*arena)->slot(), name, kept, apart->id());
    if (error != 0) {
      GiveCache(control, apart->id());
      if (error == -EEXIST) continue;
      return RootStatus(error, name, **arena, "FindOrConstruct");
    }
    UARENA_FAILPOINT("construct.claimed");
    construction.claim_ = std::make_unique<Claim>(*arena, heap, name, std::move(apart));
    return construction;
  }
}

bool Construction::forked() const { return !claim_->here(); }

absl::Status Construction::Finish(void* object) {
  if (!claim_->here()) {
    return absl::FailedPreconditionError(
        absl::StrCat("root \"", claim_->name,
                     "\" is constructed by the parent of this process, which forked "
                     "while it did so"));
  }
  const Geometry& geometry = claim_->arena->geometry();
  const int error =
      FinishRoot(claim_->arena->control(), claim_->arena->slot(), claim_->name, claim_->apart->id(),
                 reinterpret_cast<uint64_t>(object) - geometry.base);
  UARENA_FAILPOINT("construct.finished");
  claim_->ended = error == 0;
  return RootStatus(error, claim_->name, *claim_->arena, "FindOrConstruct");
}

}  // namespace uarena::internal
