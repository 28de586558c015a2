// SPDX-License-Identifier: Apache-2.0
#include "pages/control.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "memory/backing.h"
#include "memory/region.h"
#include "os/status.h"
#include "os/syscall.h"
#include "pages/free_ranges.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

constexpr uint64_t kAlign = 4096;

uint64_t AlignUp(uint64_t value) { return (value + kAlign - 1) & ~(kAlign - 1); }

BitmapLayout LayBitmap(uint64_t bits, uint64_t* next_word) {
  BitmapLayout bitmap;
  do {
    const uint64_t words = (bits + 31) / 32;
    bitmap.first_word[bitmap.levels++] = *next_word;
    *next_word += words;
    bits = words;
  } while (bits > 1);
  return bitmap;
}

}  // namespace

Layout::Layout(uint64_t max_pages, uint32_t page_shift) {
  uint64_t next = kCounterWords;
  intents = next;
  next += uint64_t{kMaxOperations} * kIntentWords;
  roots = next;
  next += uint64_t{kMaxRoots} * kRootWords;
  class_count = SizeClass(max_pages) + 1;
  block_count = (max_pages + kBlockPages - 1) / kBlockPages;
  node_count = (max_pages + 1) / 2 + 1;
  // Small things that every allocation touches stay together; the big arrays come last.
  classes = LayBitmap(class_count, &next);
  blocks = LayBitmap(block_count, &next);
  class_heads = next;
  next += class_count;
  block_heads = next;
  next += block_count;
  nodes = next = (next + kNodeWords - 1) / kNodeWords * kNodeWords;
  next += node_count * kNodeWords;
  heap_lists = next;
  next += kHeapClasses;
  spans = next;
  // Of 4 KiB pages a span has 4 at least.
  span_count = (page_shift == kGranuleShift ? max_pages / 4 : max_pages) + 1;
  next += span_count * kSpanWords;
  word_count = next;

  uint64_t offset = kAlign;
  processes_offset = offset;
  offset = AlignUp(offset + sizeof(ProcessRecord) * kMaxProcesses);
  operations_offset = offset;
  offset = AlignUp(offset + sizeof(OperationRecord) * kMaxOperations);
  words_offset = offset;
  offset = AlignUp(offset + word_count * sizeof(Word));
  states_offset = offset;
  offset = AlignUp(offset + max_pages * sizeof(PageState));
  span_hints_offset = offset;
  offset = AlignUp(offset + span_count * sizeof(SpanHints));
  span_map_offset = offset;
  offset = AlignUp(offset + max_pages * sizeof(uint32_t));
  const uint64_t bit_words = (max_pages << (page_shift - kGranuleShift)) * kGranuleBitWords;
  free_bits_offset = offset;
  offset = AlignUp(offset + bit_words * sizeof(uint64_t));
  remote_bits_offset = offset;
  offset = AlignUp(offset + bit_words * sizeof(uint64_t));
  caches_offset = offset;
  offset = AlignUp(offset + kMaxHeapCaches * sizeof(uint32_t));
  locks_offset = offset;
  offset = AlignUp(offset + kMaxProcesses);
  total_bytes = offset;
}

namespace {

absl::StatusOr<uint8_t*> MapControl(int fd, uint64_t bytes) {
  const intptr_t result =
      sys::Mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (result < 0 && result > -4096) {
    return ErrnoStatus(static_cast<int>(result),
                       absl::StrCat("mapping ", bytes, " bytes of control memory"),
                       "max_pages may be too large, or RLIMIT_AS too small");
  }
  return reinterpret_cast<uint8_t*>(result);
}

}  // namespace

absl::StatusOr<Control> Control::Create(const ArenaDescription& description) {
  const Geometry& geometry = description.geometry;
  const Layout layout(geometry.max_pages, geometry.page_shift);
  absl::StatusOr<UniqueFd> fd = CreateBacking("uarena-control", layout.total_bytes, false);
  if (!fd.ok()) return fd.status();
  absl::StatusOr<uint8_t*> map = MapControl(fd->get(), layout.total_bytes);
  if (!map.ok()) return map.status();
  Control control(*std::move(fd), *map, description);

  ControlHeader& header = control.header();
  header.version = kLayoutVersion;
  header.flags =
      (geometry.huge ? kFlagHuge : 0u) | (description.segv_on_fault ? kFlagSegvOnFault : 0u);
  header.base = geometry.base;
  header.max_pages = geometry.max_pages;
  header.quota_pages = description.quota_pages;
  header.page_shift = geometry.page_shift;
  header.max_populate_pages = description.max_populate_pages;
  header.numa_node = description.numa_node;
  description.name.copy(header.name, sizeof(header.name) - 1);
  header.operation_high.store(1);  // 0 means none
  header.cache_high.store(1);

  // Nobody else has the memfd yet, so the first transaction may use any record.
  Transaction transaction(control, 1);
  transaction.Begin();
  FreeRanges(transaction).Give(0, geometry.max_pages);
  transaction.Write(kWordFree, static_cast<uint32_t>(geometry.max_pages));
  transaction.Commit();
  header.magic.store(kControlMagic, std::memory_order_release);
  return control;
}

absl::StatusOr<Control> Control::Attach(UniqueFd fd) {
  absl::StatusOr<uint64_t> bytes = CheckBacking(fd.get());
  if (!bytes.ok()) return bytes.status();
  if (*bytes < kAlign) return absl::InvalidArgumentError("the control memfd is too small");
  absl::StatusOr<uint8_t*> first = MapControl(fd.get(), kAlign);
  if (!first.ok()) return first.status();
  // Copied out once and checked: whoever has the memfd may write to it at any time.
  const auto& shared = *reinterpret_cast<ControlHeader*>(*first);
  const uint64_t magic = shared.magic.load(std::memory_order_acquire);
  const uint32_t version = shared.version;
  const uint32_t flags = shared.flags;
  ArenaDescription description;
  description.geometry.base = shared.base;
  description.geometry.max_pages = shared.max_pages;
  description.geometry.page_shift = shared.page_shift;
  description.geometry.huge = (flags & kFlagHuge) != 0;
  description.segv_on_fault = (flags & kFlagSegvOnFault) != 0;
  description.quota_pages = shared.quota_pages;
  description.max_populate_pages = std::clamp<uint32_t>(shared.max_populate_pages, 1, 1u << 20);
  description.numa_node = shared.numa_node;
  char name[sizeof(shared.name)];
  memcpy(name, shared.name, sizeof(name));
  description.name.assign(name, strnlen(name, sizeof(name)));
  sys::Munmap(*first, kAlign);

  if (magic != kControlMagic) {
    return absl::InvalidArgumentError("the control memfd does not describe an arena");
  }
  if (version != kLayoutVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the arena was made by a build with memory layout ", version,
                     "; this one knows ", kLayoutVersion, ": use the same version everywhere"));
  }
  const Geometry& geometry = description.geometry;
  if (geometry.max_pages == 0 || geometry.max_pages > kMaxPages || geometry.page_shift < 12 ||
      geometry.page_shift > 30 || geometry.bytes() >> geometry.page_shift != geometry.max_pages ||
      geometry.base == 0 ||
      !CheckPlacement(geometry.base, geometry.bytes(), geometry.page_size()).ok()) {
    return absl::InvalidArgumentError("the control memfd describes an impossible arena");
  }
  const Layout layout(geometry.max_pages, geometry.page_shift);
  if (*bytes < layout.total_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the control memfd has ", *bytes, " bytes where ", layout.total_bytes, " are needed"));
  }
  absl::StatusOr<uint8_t*> map = MapControl(fd.get(), layout.total_bytes);
  if (!map.ok()) return map.status();
  return Control(std::move(fd), *map, description);
}

Control::Control(UniqueFd fd, uint8_t* map, const ArenaDescription& description)
    : description_(description),
      layout_(description.geometry.max_pages, description.geometry.page_shift),
      fd_(std::move(fd)),
      map_(map) {}

Control::Control(Control&& other) noexcept
    : description_(std::move(other.description_)),
      layout_(other.layout_),
      fd_(std::move(other.fd_)),
      map_(std::exchange(other.map_, nullptr)) {}

Control& Control::operator=(Control&& other) noexcept {
  // What this one had goes with `other`.
  std::swap(description_, other.description_);
  std::swap(layout_, other.layout_);
  std::swap(fd_, other.fd_);
  std::swap(map_, other.map_);
  return *this;
}

Control::~Control() {
  if (map_ != nullptr) sys::Munmap(map_, layout_.total_bytes);
}

}  // namespace uarena
