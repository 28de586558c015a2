// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/uarena_subject.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/subjects/huge_page_pool.h"
#include "bench/support/clock.h"

namespace uarena::bench {
namespace {

constexpr uint64_t k2MiB = uint64_t{2} << 20;

class UarenaMemory : public Memory, public Allocator {
 public:
  UarenaMemory(Arena arena, ArenaOptions options)
      : arena_(std::move(arena)), options_(std::move(options)) {}
  ~UarenaMemory() override {
    if (arena_.name().empty()) return;
    // The daemon would keep a named arena and its pages.
    arena_.FreePages(arena_.base(), arena_.max_pages()).IgnoreError();
    Arena::Remove(arena_.name(), options_).IgnoreError();
  }

  char* base() override { return static_cast<char*>(arena_.base()); }
  Allocator* allocator() override { return this; }

  Counters counters() override {
    if (arena_.fault_mode() == FaultMode::kKernel) return {};
    const absl::StatusOr<ArenaStats> stats = arena_.Stats();
    if (!stats.ok() || stats->faults.faults == 0) return {};
    return {{"faults", static_cast<double>(stats->faults.faults)},
            {"pages_populated", static_cast<double>(stats->faults.pages_populated)}};
  }

  absl::StatusOr<uint64_t> AllocRuns(uint64_t count, std::span<char*> runs) override {
    const int64_t start = NowNs();
    for (char*& run : runs) {
      const absl::StatusOr<void*> pages = arena_.AllocPages(nullptr, count);
      if (!pages.ok()) return pages.status();
      run = static_cast<char*>(*pages);
    }
    return NowNs() - start;
  }

  absl::Status Free(char* run, uint64_t count) override { return arena_.FreePages(run, count); }

  absl::Status Reserve(char* run, uint64_t count) override {
    return arena_.ReservePages(run, count);
  }

  absl::StatusOr<uint64_t> ChurnNs(uint64_t count, uint64_t iterations) override {
    const int64_t start = NowNs();
    for (uint64_t i = 0; i < iterations; ++i) {
      const absl::StatusOr<void*> pages = arena_.AllocPages(nullptr, count);
      if (!pages.ok()) return pages.status();
      if (absl::Status status = arena_.FreePages(*pages, count); !status.ok()) return status;
    }
    return NowNs() - start;
  }

 private:
  Arena arena_;
  const ArenaOptions options_;
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

absl::Status CheckAddressSpace([[maybe_unused]] const Need& need) {
#if defined(__SANITIZE_THREAD__)
  if (need.span_bytes >= uint64_t{1} << 39) {
    return absl::UnimplementedError("ThreadSanitizer has no room for it");
  }
#endif
  return absl::OkStatus();
}

}  // namespace

std::string UarenaSubjectName(FaultMode mode) {
  std::string name = absl::StrCat("uarena_", std::string(FaultModeName(mode)));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

absl::Status UarenaSubject::CheckAvailable(const Need& need) {
  if (options_.keep_freed_bytes == 0 && !need.frees) {
    return absl::UnimplementedError("differs only where pages are freed");
  }
  if (absl::Status status = CheckAddressSpace(need); !status.ok()) return status;
  if (absl::Status status = CheckUserfaultfd(options_.fault_mode); !status.ok()) return status;
  if (!uses_huge_pages()) return absl::OkStatus();
  if (need.allocates) return absl::UnimplementedError("allocates 2 MiB at the least");
  return CheckHugePages(need.touched_2mib);
}

absl::StatusOr<std::unique_ptr<Memory>> UarenaSubject::Map(const Need& need) {
  ArenaOptions options = options_;
  options.max_pages = need.span_bytes / (uses_huge_pages() ? k2MiB : sysconf(_SC_PAGESIZE));
  absl::StatusOr<Arena> arena = Arena::Create(options);
  if (!arena.ok()) return arena.status();
  return std::make_unique<UarenaMemory>(*std::move(arena), std::move(options));
}

absl::Status ServedSubject::CheckAvailable(const Need& need) {
  if (absl::Status status = CheckAddressSpace(need); !status.ok()) return status;
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
  options.max_pages = need.span_bytes / sysconf(_SC_PAGESIZE);
  // A forked child counts for itself.
  absl::StatusOr<Arena> arena =
      Arena::Open(absl::StrCat("bench-", getpid(), "-", ++arenas_), options);
  if (!arena.ok()) return arena.status();
  return std::make_unique<UarenaMemory>(*std::move(arena), std::move(options));
}

}  // namespace uarena::bench
