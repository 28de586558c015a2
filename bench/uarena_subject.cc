// SPDX-License-Identifier: Apache-2.0
#include "bench/uarena_subject.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace uarena::bench {
namespace {

constexpr uint64_t k2MiB = uint64_t{2} << 20;

class UarenaMemory : public Memory {
 public:
  explicit UarenaMemory(Arena arena) : arena_(std::move(arena)) {}
  ~UarenaMemory() override {
    // A daemon keeps a named arena, but need not keep its pages.
    if (!arena_.name().empty()) arena_.FreePages(arena_.base(), arena_.max_pages()).IgnoreError();
  }

  char* base() override { return static_cast<char*>(arena_.base()); }

  std::optional<FaultCounts> fault_counts() override {
    if (arena_.fault_mode() == FaultMode::kKernel) return std::nullopt;
    const absl::StatusOr<ArenaStats> stats = arena_.Stats();
    if (!stats.ok()) return std::nullopt;
    return FaultCounts{stats->faults.faults, stats->faults.pages_populated};
  }

 private:
  Arena arena_;
};

absl::Status CheckUserfaultfd(FaultMode mode) {
  if (mode == FaultMode::kKernel) return absl::OkStatus();
  const KernelAbilities abilities = ProbeKernel();
  if (!abilities.userfaultfd) return absl::UnimplementedError(abilities.userfaultfd_reason);
  if (mode == FaultMode::kInPlace && !abilities.sigbus) {
    return absl::UnimplementedError("this kernel's userfaultfd has no UFFD_FEATURE_SIGBUS");
  }
  return absl::OkStatus();
}

}  // namespace

std::string UarenaSubjectName(FaultMode mode) {
  std::string name = absl::StrCat("uarena_", std::string(FaultModeName(mode)));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

UarenaSubject::UarenaSubject(std::string name, FaultMode mode, PageSize page_size)
    : name_(std::move(name)), mode_(mode), page_size_(page_size) {}

absl::Status UarenaSubject::CheckAvailable(const Need& need) {
  if (absl::Status status = CheckUserfaultfd(mode_); !status.ok()) return status;
  if (page_size_ != PageSize::k2MiB) return absl::OkStatus();
  const uint64_t pool = ProbeKernel().huge_2mib_pages;
  if (pool < need.touched_2mib) {
    return absl::ResourceExhaustedError(absl::StrCat("needs ", need.touched_2mib,
                                                     " pages of 2 MiB and the pool has ", pool,
                                                     " (vm.nr_hugepages)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> UarenaSubject::Map(const Need& need) {
  ArenaOptions options;
  options.fault_mode = mode_;
  options.page_size = page_size_;
  options.max_pages =
      need.span_bytes / (page_size_ == PageSize::k2MiB ? k2MiB : ProbeKernel().page_size);
  absl::StatusOr<Arena> arena = Arena::Create(options);
  if (!arena.ok()) return arena.status();
  return std::make_unique<UarenaMemory>(*std::move(arena));
}

absl::Status ServedSubject::CheckAvailable(const Need& /*need*/) {
  if (absl::Status status = CheckUserfaultfd(FaultMode::kServed); !status.ok()) return status;
  if (!ProbeKernel().io_uring) return absl::UnimplementedError("uarenad needs io_uring");
  if (daemon_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<DaemonProcess>> daemon = DaemonProcess::Start(uarenad_);
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> ServedSubject::Map(const Need& need) {
  ArenaOptions options;
  options.fault_mode = FaultMode::kServed;
  options.socket_path = daemon_->socket_path();
  options.max_pages = need.span_bytes / ProbeKernel().page_size;
  absl::StatusOr<Arena> arena = Arena::Open(absl::StrCat("bench-", ++arenas_), options);
  if (!arena.ok()) return arena.status();
  return std::make_unique<UarenaMemory>(*std::move(arena));
}

}  // namespace uarena::bench
