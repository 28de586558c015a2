// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/bpf_arena_subject.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/kernel_arena.h"

namespace uarena::bench {
namespace {

using uarena::testing::KernelArena;

// An arena's user addresses are told apart by 32 bits.
constexpr uint64_t kMaxBytes = uint64_t{4} << 30;

class BpfMemory : public Memory, public Allocator {
 public:
  explicit BpfMemory(KernelArena arena) : arena_(std::move(arena)) {}

  char* base() override { return arena_.base(); }
  Allocator* allocator() override { return this; }

  // Here the second party is the user process itself: the pages come from a BPF program, which has
  // mapped them for the kernel only.
  absl::Status TouchExisting(uint64_t pages, size_t page_size, const Toucher& touch) override {
    constexpr uint64_t kPagesPerCall = 512;
    for (uint64_t done = 0; done < pages;) {
      const auto count = static_cast<uint32_t>(std::min(kPagesPerCall, pages - done));
      char* expected = base() + done * page_size;
      if (arena_.AllocPages(expected, count, /*node=*/-1, /*flags=*/0) != expected) {
        return absl::ResourceExhaustedError(
            absl::StrCat("bpf_arena_alloc_pages gave no pages after ", done));
      }
      done += count;
    }
    touch(base(), false);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> AllocRuns(uint64_t count, std::span<char*> runs) override {
    uint64_t elapsed_ns = 0;
    for (char*& run : runs) {
      void* first = nullptr;
      const absl::StatusOr<uint64_t> ns =
          arena_.AllocManyNs(static_cast<uint32_t>(count), 1, &first);
      if (!ns.ok()) return ns.status();
      elapsed_ns += *ns;
      run = static_cast<char*>(first);
    }
    return elapsed_ns;
  }

  absl::Status Free(char* run, uint64_t count) override {
    arena_.FreePages(run, static_cast<uint32_t>(count));
    return absl::OkStatus();
  }

  absl::Status Reserve(char* run, uint64_t count) override {
    const int error = arena_.ReservePages(run, static_cast<uint32_t>(count));
    if (error == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("bpf_arena_reserve_pages: ", strerror(-error)));
  }

  absl::StatusOr<uint64_t> ChurnNs(uint64_t count, uint64_t iterations) override {
    return arena_.ChurnNs(static_cast<uint32_t>(count), static_cast<uint32_t>(iterations));
  }

 private:
  KernelArena arena_;
};

}  // namespace

absl::Status BpfArenaSubject::CheckAvailable(const Need& need) {
  if (need.span_bytes > kMaxBytes) {
    return absl::UnimplementedError("a bpf_arena has at most 4 GiB");
  }
  if (need.forks) return absl::UnimplementedError("a forked child does not have the arena");
  const absl::StatusOr<KernelArena> probe = KernelArena::Create(1, /*segv_on_fault=*/false);
  if (!probe.ok()) {
    return KernelArena::IsUnavailable(probe.status()) ? probe.status() : absl::OkStatus();
  }
  if (need.reserves && !probe->has_reserve()) {
    return absl::UnimplementedError("this kernel has no bpf_arena_reserve_pages");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> BpfArenaSubject::Map(const Need& need) {
  const uint64_t pages = need.span_bytes / static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  absl::StatusOr<KernelArena> arena =
      KernelArena::Create(static_cast<uint32_t>(pages), /*segv_on_fault=*/false);
  if (!arena.ok()) return arena.status();
  return std::make_unique<BpfMemory>(*std::move(arena));
}

}  // namespace uarena::bench
