// SPDX-License-Identifier: Apache-2.0
#include "daemon/named_arena.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/arena_impl.h"
#include "daemon/disposer.h"
#include "memory/backing.h"
#include "os/status.h"
#include "os/syscall.h"
#include "pages/counters.h"
#include "pages/recovery.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

constexpr auto kCountClientsEvery = std::chrono::milliseconds(100);

// Attempts at consistent reads of roots for one request: so many that neighbours at work are no
// obstacle, so few that whoever keeps changing the memory on purpose costs us half a millisecond.
constexpr int kMostAttempts = 4096;

// Reads words of one root as they were at one moment. False: not within `attempts`.
template <typename Read>
bool ReadConsistently(const Control& control, int* attempts, Read read) {
  while (--*attempts > 0) {
    HelpPending(control);
    const uint64_t before = control.header().head.load(std::memory_order_acquire);
    read();
    std::atomic_thread_fence(std::memory_order_acquire);
    const uint64_t after = control.header().head.load(std::memory_order_acquire);
    constexpr uint64_t kPending = uint64_t{1} << 12;
    if (before == after && (after & kPending) == 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::shared_ptr<NamedArena>> NamedArena::Make(const ArenaDescription& description,
                                                             const Ownership& ownership) {
  absl::StatusOr<NewArena> made = MakeArena(description);
  if (!made.ok()) return made.status();
  Deed deed;
  deed.ownership = ownership;
  deed.description = description;
  if (getrandom(deed.id.data(), deed.id.size(), 0) != static_cast<ssize_t>(deed.id.size())) {
    return ErrnoStatus(errno, "getrandom");
  }
  // The data memfd stays ours alone, so that a descriptor opened for reading stays that. The
  // control memfd only goes to those who may write to it; they reopen it for locks of their own.
  if (fchmod(made->control.fd(), 0666) != 0) return ErrnoStatus(errno, "fchmod of a memfd");
  int result = sys::Identify(made->data.get(), &deed.data);
  if (result == 0) result = sys::Identify(made->control.fd(), &deed.control);
  if (result < 0) return ErrnoStatus(result, "fstat of a memfd");
  absl::StatusOr<UniqueFd> deed_fd = WriteDeed(deed);
  if (!deed_fd.ok()) return deed_fd.status();
  return Join(deed, std::move(made->control), std::move(made->data), *std::move(deed_fd));
}

absl::StatusOr<std::shared_ptr<NamedArena>> NamedArena::TakeBack(const Deed& deed, int data,
                                                                 int control, UniqueFd deed_fd) {
  UARENA_RETURN_IF_ERROR(CheckDeeded("data memfd", data, deed.data));
  UARENA_RETURN_IF_ERROR(CheckDeeded("control memfd", control, deed.control));
  UARENA_RETURN_IF_ERROR(CheckName("arena name", deed.description.name));
  // Open file descriptions of our own: the client could change those that it sent.
  UniqueFd own_data(sys::Reopen(data));
  UniqueFd own_control(sys::Reopen(control));
  if (!own_data.valid()) return ErrnoStatus(own_data.get(), "reopening a data memfd");
  if (!own_control.valid()) return ErrnoStatus(own_control.get(), "reopening a control memfd");
  absl::StatusOr<Control> attached = Control::Attach(std::move(own_control));
  if (!attached.ok()) return attached.status();
  const ArenaDescription& says = attached->description();
  const ArenaDescription& was = deed.description;
  if (says.name != was.name || says.geometry.base != was.geometry.base ||
      says.geometry.max_pages != was.geometry.max_pages ||
      says.geometry.page_shift != was.geometry.page_shift ||
      says.geometry.huge != was.geometry.huge || says.segv_on_fault != was.segv_on_fault ||
      says.quota_pages != was.quota_pages || says.max_populate_pages != was.max_populate_pages ||
      deed.data.bytes < was.geometry.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat("the control memory of arena \"", was.name,
                                                   "\" does not say what its deed says: damaged"));
  }
  if (attached->header().nameless.load() != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the name of arena \"", was.name, "\" has been removed"));
  }
  return Join(deed, *std::move(attached), std::move(own_data), std::move(deed_fd));
}

absl::StatusOr<std::shared_ptr<NamedArena>> NamedArena::Join(const Deed& deed, Control control,
                                                             UniqueFd data, UniqueFd deed_fd) {
  absl::StatusOr<Membership> membership = Membership::Join(control);
  if (!membership.ok()) return membership.status();
  control.process(membership->slot()).mode.store(static_cast<uint32_t>(FaultMode::kServed));
  // Its memory may be terabytes, and takes as long to give back.
  return std::shared_ptr<NamedArena>(
      new NamedArena(deed, std::move(control), std::move(data), std::move(deed_fd),
                     *std::move(membership)),
      [](NamedArena* arena) { DisposeLater([arena] { delete arena; }); });
}

NamedArena::NamedArena(Deed deed, Control control, UniqueFd data, UniqueFd deed_fd,
                       Membership membership)
    : deed_(std::move(deed)),
      control_(std::move(control)),
      data_(std::move(data)),
      deed_fd_(std::move(deed_fd)),
      membership_(std::move(membership)) {}

NamedArena::~NamedArena() { membership_.Leave(control_); }

absl::StatusOr<int> NamedArena::ReadOnlyData() {
  if (!read_only_data_.valid()) {
    UniqueFd fd(sys::ReopenReadOnly(data_.get()));
    if (!fd.valid()) return ErrnoStatus(fd.get(), "reopening a data memfd for reading");
    read_only_data_ = std::move(fd);
  }
  // Every time: whoever may write here may have cleared it.
  if (!deed_.description.segv_on_fault) control_.header().free_pages_hold_memory.store(1);
  return read_only_data_.get();
}

OpenedPayload NamedArena::Opened() const {
  OpenedPayload opened{};
  opened.id = deed_.id;
  opened.base = geometry().base;
  opened.max_pages = geometry().max_pages;
  opened.page_shift = geometry().page_shift;
  opened.flags = (geometry().huge ? kOpenedHuge : 0u) |
                 (deed_.description.segv_on_fault ? kOpenedSegvOnFault : 0u);
  return opened;
}

uint32_t NamedArena::CountClients() const {
  const auto now = std::chrono::steady_clock::now();
  if (now - clients_counted_ > kCountClientsEvery) {
    const uint32_t processes = CountProcesses(control_);
    clients_ = processes > 0 ? processes - 1 : 0;
    clients_counted_ = now;
  }
  return clients_;
}

ArenaEntry NamedArena::Describe() const {
  const StatsPayload stats = Stats();
  ArenaEntry entry{};
  WriteText(entry.name, sizeof(entry.name), name());
  entry.base = geometry().base;
  entry.max_pages = geometry().max_pages;
  entry.page_size = geometry().page_size();
  entry.allocated_pages = stats.allocated_pages;
  entry.populated_pages = stats.populated_pages;
  entry.processes = static_cast<uint32_t>(stats.processes);
  entry.owner_uid = ownership().uid;
  entry.owner_gid = ownership().gid;
  entry.mode = ownership().mode;
  return entry;
}

StatsPayload NamedArena::Stats() const {
  const PageCounts counts = CountPages(control_);
  StatsPayload stats{};
  stats.allocated_pages = counts.allocated;
  stats.reserved_pages = counts.reserved;
  stats.ahead_pages = counts.ahead;
  stats.free_pages = counts.free + counts.kept;
  stats.kept_pages = counts.kept;
  stats.populated_pages = ResidentPages(data_.get(), geometry().page_size()).value_or(0);
  stats.processes = CountClients();
  return stats;
}

absl::StatusOr<RootsPayload> NamedArena::Roots(std::string_view name, uint32_t from) const {
  RootsPayload page{};
  int attempts = kMostAttempts;
  for (uint32_t root = from; root < kMaxRoots; ++root) {
    const uint64_t at = control_.layout().roots + uint64_t{root} * kRootWords;
    RootEntry entry{};
    uint64_t stored = 0;
    const bool read = ReadConsistently(control_, &attempts, [&] {
      auto value = [&](uint32_t word) {
        return WordValue(control_.word(at + word).load(std::memory_order_acquire));
      };
      stored = uint64_t{value(kRootOffsetHigh)} << 32 | value(kRootOffsetLow);
      if (stored == 0) return;
      for (uint32_t word = 0; word < kRootNameBytes / 4; ++word) {
        const uint32_t text = value(kRootName + word);
        memcpy(entry.name + size_t{word} * 4, &text, 4);
      }
    });
    if (!read) {
      return absl::AbortedError(
          absl::StrCat("the roots of arena \"", this->name(),
                       "\" cannot be read: its control memory changes all the time or is damaged; "
                       "try again"));
    }
    if (stored == 0) continue;
    if (!name.empty() && ReadText(entry.name, sizeof(entry.name)) != name) continue;
    if (page.count == kRootEntries) {
      page.next = root;
      break;
    }
    entry.offset = stored - 1;
    page.entries[page.count++] = entry;
  }
  return page;
}

bool NamedArena::NeedsRecovery() const {
  const uint32_t high = std::min(control_.header().process_high.load(), kMaxProcesses);
  for (uint32_t slot = 0; slot < high; ++slot) {
    if (control_.process(slot).state.load(std::memory_order_acquire) != 0 &&
        sys::ByteLocked(control_.fd(), control_.LockOffset(slot)) == 0) {
      // Our own lock is invisible through the description that holds it, but this is another one.
      return true;
    }
  }
  return false;
}

}  // namespace uarena
