// SPDX-License-Identifier: Apache-2.0
#include "memory/mapper.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "os/syscall.h"
#include "os/system.h"

namespace uarena {
namespace {

// EAGAIN means that the address space is being changed (mmap_changing), EFAULT after EEXIST that a
// page came and went; both pass. The bound is for a peer that makes them never pass.
constexpr int kTransientTries = 10'000;

// Pages are handed to the assistant in chunks of so many: some 40 µs of work for fresh ones. Fewer
// than the least are done before it has woken up.
constexpr uint64_t kChunkPages = 32;
constexpr uint64_t kLeastSharedPages = 128;

// A range in chunks, and the first failure in it.
template <typename MapChunk>
class MapWork final : public SplitWork {
 public:
  MapWork(uint64_t first, uint64_t count, MapChunk map) : first_(first), count_(count), map_(map) {}

  void DoChunk(uint32_t chunk) override {
    if (failure_.load(std::memory_order_relaxed) != kNone) return;
    const uint64_t offset = chunk * kChunkPages;
    const MapResult result = map_(first_ + offset, std::min(kChunkPages, count_ - offset));
    if (result.error == 0) return;
    const uint64_t failure = (offset + result.done) << 16 | static_cast<uint64_t>(-result.error);
    uint64_t seen = failure_.load(std::memory_order_relaxed);
    while (failure < seen && !failure_.compare_exchange_weak(seen, failure)) {
    }
  }

  uint32_t chunks() const {
    return static_cast<uint32_t>((count_ + kChunkPages - 1) / kChunkPages);
  }
  MapResult result() const {
    const uint64_t failure = failure_.load(std::memory_order_relaxed);
    if (failure == kNone) return {count_, 0};
    return {failure >> 16, -static_cast<int>(failure & 0xffff)};
  }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};
  const uint64_t first_;
  const uint64_t count_;
  const MapChunk map_;
  std::atomic<uint64_t> failure_{kNone};  // page << 16 | errno
};

}  // namespace

Mapper::Mapper(const Geometry& geometry, int data_fd, int uffd, Assistant* assistant)
    : geometry_(geometry),
      data_fd_(data_fd),
      uffd_(uffd),
      assistant_(assistant),
      machine_pages_(TotalMemory() >> geometry.page_shift) {}

int Mapper::CheckRange(uint64_t first, uint64_t count) const {
  if (count == 0) return -EINVAL;
  if (first >= geometry_.max_pages || count > geometry_.max_pages - first) return -ERANGE;
  if (count > machine_pages_) return -E2BIG;
  return 0;
}

MapResult Mapper::Map(uint64_t first, uint64_t count, ExistingVisitor* visitor, int node) const {
  if (const int error = CheckRange(first, count); error != 0) return {0, error};
  if (node < 0) return MapShared(first, count, visitor);
  // userfaultfd allocates by the policy of the thread that asks. (mbind would split the region's
  // VMA, and an ioctl may not span two.)
  sys::MemoryPolicy before;
  const bool preferred = sys::GetMemoryPolicy(&before) == 0 && sys::PreferNode(node) == 0;
  const MapResult result = MapAll(first, count, visitor);
  if (preferred) sys::SetMemoryPolicy(before);
  return result;
}

MapResult Mapper::MapShared(uint64_t first, uint64_t count, ExistingVisitor* visitor) const {
  if (assistant_ == nullptr || uffd_ < 0 || geometry_.huge || count < kLeastSharedPages) {
    return MapAll(first, count, visitor);
  }
  MapWork work(first, count, [this, visitor](uint64_t from, uint64_t pages) {
    return MapAll(from, pages, visitor);
  });
  assistant_->Run(work, work.chunks());
  return work.result();
}

MapResult Mapper::MapAll(uint64_t first, uint64_t count, ExistingVisitor* visitor) const {
  MapResult result;
  int tries = 0;
  uint64_t attempt = count;
  while (result.error == 0 && result.done < count) {
    bool existed = false;
    const uint64_t at = first + result.done;
    attempt = std::min(attempt, count - result.done);
    const int64_t pages = MapSome(at, attempt, &existed);
    if (pages > 0) {
      if (existed && visitor != nullptr) visitor->OnExisting(at, static_cast<uint64_t>(pages));
      result.done += static_cast<uint64_t>(pages);
      tries = 0;
      attempt = count;
    } else if (pages == -EAGAIN || pages == -EFAULT) {
      if (++tries > kTransientTries) result.error = static_cast<int>(pages);
      sched_yield();
    } else if (pages == -ENOENT && attempt > 1) {
      // The range spans two VMAs: the program has changed one part of the region (madvise,
      // mprotect). An ioctl serves one VMA.
      attempt /= 2;
    } else {
      result.error = static_cast<int>(pages);
    }
  }
  return result;
}

int64_t Mapper::MapSome(uint64_t first, uint64_t count, bool* existed) const {
  if (uffd_ < 0) return MapSomeByPaging(first, count, existed);
  if (geometry_.huge) return MapSomeHuge(first, existed);
  const uint64_t start = geometry_.AddressOf(first);
  const uint64_t length = count << geometry_.page_shift;
  int64_t bytes = sys::UffdZeropage(uffd_, start, length);
  if (bytes == -EEXIST) {
    *existed = true;
    bytes = sys::UffdContinue(uffd_, start, length);
    if (bytes == -EEXIST) {
      // Mapped here already, by another thread's fault most likely, whose waiters the kernel has
      // woken; ours, if it queued in between, it has not.
      Wake(first, 1);
      return 1;
    }
  }
  return bytes > 0 ? bytes >> geometry_.page_shift : bytes;
}

int64_t Mapper::MapSomeHuge(uint64_t first, bool* existed) const {
  // userfaultfd has no zero page for hugetlb: make the page, then map it.
  const uint64_t start = geometry_.AddressOf(first);
  const uint64_t length = geometry_.page_size();
  *existed = true;
  int64_t bytes = sys::UffdContinue(uffd_, start, length);
  if (bytes == -EFAULT) {
    *existed = false;
    const int result = sys::Fallocate(data_fd_, first << geometry_.page_shift, length);
    if (result < 0) return result == -ENOSPC ? -ENOMEM : result;  // the pool is empty
    bytes = sys::UffdContinue(uffd_, start, length);
  }
  if (bytes == -EEXIST) {
    Wake(first, 1);
    return 1;
  }
  return bytes > 0 ? 1 : bytes;
}

int64_t Mapper::MapSomeByPaging(uint64_t first, uint64_t count, bool* existed) const {
  const uint64_t offset = first << geometry_.page_shift;
  uint64_t length = count << geometry_.page_shift;
  const int64_t data = sys::SeekData(data_fd_, offset);
  if (geometry_.huge) {
    // hugetlbfs cannot tell data from holes: let the caller look at every page.
    *existed = true;
    const int result = sys::Fallocate(data_fd_, offset, length);
    if (result < 0) return result == -ENOSPC ? -ENOMEM : result;
  } else if (data == static_cast<int64_t>(offset)) {
    *existed = true;
    const int64_t hole = sys::SeekHole(data_fd_, offset);
    if (hole > data) length = std::min(length, static_cast<uint64_t>(hole - data));
  } else {
    // Until the next data, or to the end where there is none (ENXIO).
    if (data > 0) length = std::min(length, static_cast<uint64_t>(data) - offset);
    // Allocated first, so that a shortage is an error here and no SIGBUS on a touch.
    const int result = sys::Fallocate(data_fd_, offset, length);
    if (result < 0) return result;
  }
  const int result =
      sys::MadvisePopulateWrite(reinterpret_cast<void*>(geometry_.AddressOf(first)), length);
  // Before Linux 5.14 there is no populating; the pages exist, and the touch maps them.
  if (result < 0 && result != -EINVAL) return result;
  return static_cast<int64_t>(length >> geometry_.page_shift);
}

int Mapper::Zap(uint64_t first, uint64_t count) const {
  if (const int error = CheckRange(first, count); error != 0 && error != -E2BIG) return error;
  return sys::PunchHole(data_fd_, first << geometry_.page_shift, count << geometry_.page_shift);
}

void Mapper::Wake(uint64_t first, uint64_t count) const {
  if (uffd_ < 0) return;
  sys::UffdWake(uffd_, geometry_.AddressOf(first), count << geometry_.page_shift);
}

}  // namespace uarena
