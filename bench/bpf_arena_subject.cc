// SPDX-License-Identifier: Apache-2.0
#include "bench/bpf_arena_subject.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/kernel_arena.h"

namespace uarena::bench {
namespace {

using uarena::testing::KernelArena;

// An arena's user addresses are told apart by 32 bits.
constexpr uint64_t kMaxBytes = uint64_t{4} << 30;

class BpfMemory : public Memory {
 public:
  explicit BpfMemory(KernelArena arena) : arena_(std::move(arena)) {}

  char* base() override { return arena_.base(); }

  // Here the second party is the user process itself: the pages come from a BPF program, which has
  // mapped them for the kernel only.
  absl::Status TouchExisting(uint64_t pages, size_t /*page_size*/, const Toucher& touch) override {
    constexpr uint64_t kPagesPerCall = 512;
    for (uint64_t done = 0; done < pages;) {
      const auto count = static_cast<uint32_t>(std::min(kPagesPerCall, pages - done));
      char* expected = base() + done * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
      if (arena_.AllocPages(expected, count, /*node=*/-1, /*flags=*/0) != expected) {
        return absl::ResourceExhaustedError(
            absl::StrCat("bpf_arena_alloc_pages gave no pages after ", done));
      }
      done += count;
    }
    touch(base(), false);
    return absl::OkStatus();
  }

 private:
  KernelArena arena_;
};

}  // namespace

absl::Status BpfArenaSubject::CheckAvailable(const Need& need) {
  if (need.span_bytes > kMaxBytes) {
    return absl::UnimplementedError("a bpf_arena has at most 4 GiB");
  }
  const absl::StatusOr<KernelArena> probe = KernelArena::Create(1, /*segv_on_fault=*/false);
  return KernelArena::IsUnavailable(probe.status()) ? probe.status() : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Memory>> BpfArenaSubject::Map(const Need& need) {
  const uint64_t pages = need.span_bytes / static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  absl::StatusOr<KernelArena> arena =
      KernelArena::Create(static_cast<uint32_t>(pages), /*segv_on_fault=*/false);
  if (!arena.ok()) return arena.status();
  return std::make_unique<BpfMemory>(*std::move(arena));
}

}  // namespace uarena::bench
