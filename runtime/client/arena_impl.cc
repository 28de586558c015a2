// SPDX-License-Identifier: Apache-2.0
#include "client/arena_impl.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/attached.h"
#include "client/fork.h"
#include "fault/in_place.h"
#include "heap/heap_recovery.h"
#include "ipc/channel.h"
#include "memory/backing.h"
#include "os/background_thread.h"
#include "os/status.h"
#include "os/system.h"
#include "pages/recovery.h"

namespace uarena {
namespace {

constexpr uint32_t kHugeShift = 21;
constexpr uint64_t kDefaultPopulateBytes = 2 << 20;
constexpr uint32_t kMostPopulatePages = 1 << 16;
// Of pages that exist when a process attaches, mapped ahead of its touches; some 20 ms of another
// processor's time, and 512 KiB of page tables.
constexpr uint64_t kMostExistingBytes = 256 << 20;

// Kept pages can be touched unseen, so not where every touch must be seen.
uint64_t KeptPagesLimit(const ArenaDescription& description, const ArenaOptions& options) {
  if (description.segv_on_fault || description.max_populate_pages == 1) return 0;
  return options.keep_freed_bytes >> description.geometry.page_shift;
}

}  // namespace

absl::StatusOr<ArenaDescription> DescribeArena(const ArenaOptions& options) {
  ArenaDescription description;
  Geometry& geometry = description.geometry;
  geometry.huge = options.page_size == PageSize::k2MiB;
  geometry.page_shift =
      geometry.huge ? kHugeShift : static_cast<uint32_t>(std::countr_zero(SystemPageSize()));
  geometry.max_pages = options.max_pages;
  geometry.base = options.user_vm_start;
  if (options.page_size != PageSize::kSystem && options.page_size != PageSize::k2MiB) {
    return absl::InvalidArgumentError(absl::StrCat(
        "page_size ", static_cast<int>(options.page_size), " is neither kSystem nor k2MiB"));
  }
  if (options.max_pages == 0) {
    return absl::InvalidArgumentError("max_pages is 0; an arena has at least 1 page");
  }
  if (options.max_pages > kMaxPages ||
      options.max_pages > (uint64_t{1} << 46) >> geometry.page_shift) {
    return absl::OutOfRangeError(absl::StrCat(
        "max_pages ", options.max_pages, " is more than an address space holds; at most ",
        std::min(kMaxPages, (uint64_t{1} << 46) >> geometry.page_shift)));
  }
  UARENA_RETURN_IF_ERROR(CheckPlacement(geometry.base, geometry.bytes(), geometry.page_size()));
  if (options.numa_node != kNoNode && !NodeOnline(options.numa_node)) {
    return absl::InvalidArgumentError(
        absl::StrCat("numa_node ", options.numa_node, " does not exist or is offline"));
  }
  if (options.max_populate_pages > kMostPopulatePages) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_populate_pages ", options.max_populate_pages, " is more than ", kMostPopulatePages));
  }
  description.max_populate_pages = std::bit_floor(
      options.max_populate_pages != 0 ? options.max_populate_pages
                                      : static_cast<uint32_t>(std::max<uint64_t>(
                                            1, kDefaultPopulateBytes >> geometry.page_shift)));
  description.segv_on_fault = options.segv_on_fault;
  description.quota_pages = options.quota_pages;
  description.numa_node = options.numa_node;
  return description;
}

absl::StatusOr<NewArena> MakeArena(const ArenaDescription& description) {
  const Geometry& geometry = description.geometry;
  absl::StatusOr<UniqueFd> data = CreateBacking("uarena-data", geometry.bytes(), geometry.huge);
  if (!data.ok()) return data.status();
  absl::StatusOr<Control> control = Control::Create(description);
  if (!control.ok()) return control.status();
  return NewArena{*std::move(control), *std::move(data)};
}

absl::StatusOr<std::shared_ptr<ArenaImpl>> ArenaImpl::Create(const ArenaOptions& options) {
  absl::StatusOr<ArenaDescription> description = DescribeArena(options);
  if (!description.ok()) return description.status();
  Geometry& geometry = description->geometry;
  absl::StatusOr<Region> region =
      Region::Reserve(geometry.base, geometry.bytes(), geometry.page_size());
  if (!region.ok()) return region.status();
  geometry.base = region->base();
  absl::StatusOr<NewArena> made = MakeArena(*description);
  if (!made.ok()) return made.status();
  return Started(std::shared_ptr<ArenaImpl>(new ArenaImpl(
      std::move(made->control), std::move(made->data), *std::move(region), DaemonLink(), options)));
}

absl::StatusOr<std::shared_ptr<ArenaImpl>> ArenaImpl::Attach(UniqueFd control_fd, UniqueFd data,
                                                             DaemonLink daemon,
                                                             const ArenaOptions& options) {
  absl::StatusOr<Control> control = Control::Attach(std::move(control_fd));
  if (!control.ok()) return control.status();
  const Geometry& geometry = control->description().geometry;
  absl::StatusOr<uint64_t> bytes = CheckBacking(data.get());
  if (!bytes.ok()) return bytes.status();
  if (*bytes < geometry.bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the data memfd has ", *bytes, " bytes, the arena ", geometry.bytes()));
  }
  if (AttachedAt(geometry.base)) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "the arena \"%s\" at 0x%x is attached in this process already; use that handle",
        control->description().name, geometry.base));
  }
  absl::StatusOr<Region> region =
      Region::Reserve(geometry.base, geometry.bytes(), geometry.page_size());
  if (!region.ok()) return region.status();
  return Started(std::shared_ptr<ArenaImpl>(new ArenaImpl(
      *std::move(control), std::move(data), *std::move(region), std::move(daemon), options)));
}

absl::StatusOr<std::shared_ptr<ArenaImpl>> ArenaImpl::AttachReadOnly(std::string_view name,
                                                                     OpenedArena opened,
                                                                     const ArenaOptions& options) {
  absl::StatusOr<std::unique_ptr<ReadOnlyArena>> arena =
      ReadOnlyArena::Reserve(std::string(name), std::move(opened), options);
  if (!arena.ok()) return arena.status();
  const std::lock_guard<std::mutex> lock(AttachMutex());
  UARENA_RETURN_IF_ERROR((*arena)->Start());
  std::shared_ptr<ArenaImpl> impl(new ArenaImpl(*std::move(arena), options));
  TrackForFork(impl.get());
  AddAttached(impl.get());
  return impl;
}

ArenaImpl::ArenaImpl(std::unique_ptr<ReadOnlyArena> read_only, const ArenaOptions& options)
    : options_(options), read_only_(std::move(read_only)) {
  opened_.reason = "kernel: attached for reading only";
}

ArenaImpl::ArenaImpl(Control control, UniqueFd data, Region region, DaemonLink daemon,
                     const ArenaOptions& options)
    : options_(options),
      control_(std::move(control)),
      data_(std::move(data)),
      region_(std::move(region)),
      daemon_(std::move(daemon)) {}

absl::StatusOr<std::shared_ptr<ArenaImpl>> ArenaImpl::Started(std::shared_ptr<ArenaImpl> arena) {
  const std::lock_guard<std::mutex> lock(AttachMutex());
  UARENA_RETURN_IF_ERROR(arena->region_.MapBacking(arena->data_.get()));
  UARENA_RETURN_IF_ERROR(arena->Start(arena->options_.fault_mode));
  TrackForFork(arena.get());
  AddAttached(arena.get());
  return arena;
}

absl::Status ArenaImpl::Start(FaultMode wanted) {
  absl::StatusOr<OpenedMode> opened =
      OpenMode(wanted, control_.description(), daemon_.deed.valid());
  if (!opened.ok()) return opened.status();
  absl::StatusOr<Membership> membership = Membership::Join(control_);
  if (!membership.ok()) return membership.status();
  opened_ = *std::move(opened);
  membership_ = *std::move(membership);
  control_.process(slot()).mode.store(static_cast<uint32_t>(opened_.mode));
  const bool faults_here = opened_.uffd.valid() && !geometry().huge;
  assistant_ = faults_here ? Assistant::Get() : nullptr;
  const PageContext context{
      &control_, Mapper(geometry(), data_.get(), opened_.uffd.get(), assistant_.get()), data_.get(),
      /*attached=*/true, RecoverHeap};
  allocator_ = Allocator(context, slot());
  kept_.Start(context, slot(), KeptPagesLimit(control_.description(), options_));
  heap_.Start(control_, PageSource(&allocator_, &kept_, &memory_budget_, slot()));
  resolver_ = std::make_unique<Resolver>(allocator_, slot());
  RecoverDeadProcesses(control_, context);
  absl::Status status = absl::OkStatus();
  switch (opened_.mode) {
    case FaultMode::kInPlace:
      if (!RegisterInPlace(geometry(), resolver_.get())) {
        status = absl::ResourceExhaustedError("1024 arenas are attached in this process already");
      }
      break;
    case FaultMode::kThread:
      handler_ = std::make_unique<HandlerThread>(opened_.uffd.get(), geometry(), resolver_.get());
      break;
    case FaultMode::kServed:
      // Without a connection, in a forked child, the keeper starts alone.
      if (daemon_.socket.valid()) {
        status = AskToServe(daemon_.socket.get(), opened_.uffd.get(), slot());
      }
      break;
    case FaultMode::kAuto:
    case FaultMode::kKernel:
      control_.header().free_pages_hold_memory.store(1);
      break;
  }
  if (!status.ok()) {
    membership_.Leave(control_);
    return status;
  }
  StartKeeper();
  if (assistant_ != nullptr && ResidentPages(data_.get(), geometry().page_size()).value_or(0) > 0) {
    existing_pages_ =
        std::make_unique<ExistingPages>(geometry(), data_.get(), opened_.uffd.get(),
                                        kMostExistingBytes >> geometry().page_shift, assistant_);
  }
  return absl::OkStatus();
}

void ArenaImpl::StartKeeper() {
  const bool served = opened_.mode == FaultMode::kServed;
  if (!daemon_.deed.valid()) return;
  if (!served && (!options_.reconnect || DoWithoutThreads())) return;
  KeptArena kept;
  kept.data_fd = data_.get();
  kept.control_fd = control_.fd();
  kept.deed_fd = daemon_.deed.get();
  kept.uffd = served ? opened_.uffd.get() : -1;
  kept.process_slot = slot();
  kept.geometry = geometry();
  kept.resolver = resolver_.get();
  kept.socket_path = daemon_.socket_path;
  kept.reconnect = options_.reconnect;
  keeper_ = std::make_unique<Keeper>(std::move(kept), std::move(daemon_.socket));
}

void ArenaImpl::StopEngine() {
  if (resolver_ != nullptr && opened_.mode == FaultMode::kInPlace) {
    UnregisterInPlace(resolver_.get());
  }
  existing_pages_.reset();
  keeper_.reset();
  handler_.reset();
}

ArenaImpl::~ArenaImpl() {
  const std::lock_guard<std::mutex> lock(AttachMutex());
  RemoveAttached(this);
  UntrackForFork(this);
  read_only_.reset();
  heap_.AbandonAll();
  StopEngine();
  // Unmapped before the uffd is closed: a touch in between is an error, never a silent zero page.
  region_ = Region();
  opened_.uffd.reset();
  kept_.ReleaseAll();
  membership_.Leave(control_);
}

void ArenaImpl::BeforeFork() {
  if (keeper_ != nullptr) keeper_->BeforeFork();
  if (read_only_ != nullptr) read_only_->BeforeFork();
}

void ArenaImpl::AfterForkInParent() {
  if (keeper_ != nullptr) keeper_->AfterForkInParent();
  if (read_only_ != nullptr) read_only_->AfterForkInParent();
}

void ArenaImpl::AfterForkInChild() {
  heap_.Forget();
  kept_.Forget();
  if (read_only_ != nullptr) {
    read_only_->AfterForkInChild();
    return;
  }
  RemoveAttached(this);  // as the parent
  // The parent's threads do not exist here; their objects must not be joined.
  if (handler_ != nullptr) handler_.release()->AbandonInChild();
  if (keeper_ != nullptr) keeper_.release()->AbandonInChild();
  static_cast<void>(existing_pages_.release());  // its assistant does not exist either
  AbandonRecoveryAfterFork();
  if (opened_.mode == FaultMode::kInPlace) UnregisterInPlace(resolver_.get());
  membership_.Abandon();
  opened_.uffd.reset();
  // The connection is the parent's. The child's keeper makes its own, as after a restart of the
  // daemon; until then it serves itself.
  daemon_.socket.reset();

  const FaultMode wanted = opened_.mode;
  // Descriptors may run out. The pages are there all the same.
  absl::Status status = Start(wanted);
  if (!status.ok()) status = Start(FaultMode::kThread);
  if (!status.ok()) status = Start(FaultMode::kKernel);
  if (!status.ok()) {
    // Nothing resolves touches here: they must not be taken for allocated zero pages.
    mprotect(reinterpret_cast<void*>(geometry().base), geometry().bytes(), PROT_NONE);
    return;
  }
  AddAttached(this);
}

}  // namespace uarena
