// SPDX-License-Identifier: Apache-2.0
#include "fault/resolver.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "os/failpoint.h"
#include "os/syscall.h"
#include "pages/recovery.h"

namespace uarena {
namespace {

constexpr int kMostRecordTries = 10'000;

template <size_t N>
void Bump(std::atomic<uint64_t> (&histogram)[N], uint64_t value) {
  const size_t bucket = value == 0 ? 0 : static_cast<size_t>(std::bit_width(value)) - 1;
  histogram[std::min(bucket, N - 1)].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Resolver::Resolver(const Allocator& allocator, uint32_t stats_slot)
    : allocator_(allocator),
      stats_slot_(stats_slot),
      stats_(allocator.context().control->process(stats_slot)),
      max_populate_pages_(
          std::bit_floor(allocator.context().control->description().max_populate_pages)) {}

Resolution Resolver::Resolve(uint64_t page, uint64_t touched) {
  uint64_t done = 0;
  while (done < touched) {
    uint64_t mapped = 0;
    Resolution resolution = ResolveSome(page + done, touched - done, &mapped);
    if (resolution == Resolution::kRefused &&
        !allocator_.context().control->description().segv_on_fault &&
        allocator_.MapForOwnCall(page + done, stats_slot_)) {
      resolution = Resolution::kMapped;
      mapped = 1;
    }
    if (resolution != Resolution::kMapped) return resolution;
    done += std::max<uint64_t>(mapped, 1);
  }
  return Resolution::kMapped;
}

Resolution Resolver::ResolveSome(uint64_t page, uint64_t touched, uint64_t* mapped) {
  const uint64_t start = sys::NowNs();
  UARENA_FAILPOINT("fault.start");
  const WindowChoice window = streams_.Choose(page, max_populate_pages_);
  int record_tries = 0;
  for (bool made_room = false;;) {
    const int result = allocator_.Touch(page, touched, std::max(window.pages, touched), mapped);
    switch (result) {
      case 0:
        streams_.Done(window, page, *mapped);
        Count(*mapped, sys::NowNs() - start);
        return Resolution::kMapped;
      case -EUSERS:
        // Every operation record is taken, by running calls or by dead processes; or, if that does
        // not pass, by whoever has damaged the control memory.
        if (++record_tries > kMostRecordTries) return Resolution::kRefused;
        RecoverDeadProcesses(*allocator_.context().control, allocator_.context());
        sched_yield();
        continue;
      case -EDQUOT:
        // Pages that dead processes hold, or that were populated ahead for nothing, count as well.
        if (made_room) return Resolution::kRefused;
        made_room = true;
        RecoverDeadProcesses(*allocator_.context().control, allocator_.context());
        allocator_.Settle(0, allocator_.context().control->max_pages(), true);
        continue;
      case -ESRCH:
      case -ENOENT:
      case -EBADF:
        return Resolution::kGone;
      default:
        return Resolution::kRefused;
    }
  }
}

void Resolver::Count(uint64_t mapped, uint64_t nanoseconds) {
  stats_.faults.fetch_add(1, std::memory_order_relaxed);
  stats_.pages_populated.fetch_add(mapped, std::memory_order_relaxed);
  stats_.resolve_ns.fetch_add(nanoseconds, std::memory_order_relaxed);
  Bump(stats_.batch_pages, mapped);
  Bump(stats_.resolve_ns_log2, nanoseconds);
}

FaultStats ReadFaultStats(const ProcessRecord& record) {
  FaultStats stats;
  stats.faults = record.faults.load(std::memory_order_relaxed);
  stats.pages_populated = record.pages_populated.load(std::memory_order_relaxed);
  stats.resolve_ns = record.resolve_ns.load(std::memory_order_relaxed);
  for (size_t i = 0; i < stats.batch_pages.size(); ++i) {
    stats.batch_pages[i] = record.batch_pages[i].load(std::memory_order_relaxed);
  }
  for (size_t i = 0; i < stats.resolve_ns_log2.size(); ++i) {
    stats.resolve_ns_log2[i] = record.resolve_ns_log2[i].load(std::memory_order_relaxed);
  }
  return stats;
}

}  // namespace uarena
