// SPDX-License-Identifier: Apache-2.0
#include "heap/heap_check.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "heap/blocks.h"
#include "os/status.h"

namespace uarena {
namespace {

absl::Status Broken(uint32_t span, const std::string& what) {
  return absl::DataLossError(absl::StrCat("heap span ", span, " ", what));
}

// Marks the spans of a list; each must be of the kind that the list is for, and in one list only.
template <typename Belongs>
absl::Status CheckList(const SpanTable& table, uint32_t first, std::vector<bool>* listed,
                       Belongs belongs) {
  for (uint32_t span = first; span != 0; span = table.Value(span, kSpanNext)) {
    if (!table.Exists(span) || span >= table.end()) return Broken(span, "is listed and not there");
    if ((*listed)[span]) return Broken(span, "is in two lists, or twice in one");
    if (!belongs(table.State(span))) return Broken(span, "is in a list that it does not belong to");
    (*listed)[span] = true;
  }
  return absl::OkStatus();
}

absl::Status CheckPages(const SpanTable& table, uint32_t span, std::vector<bool>* taken) {
  const SpanPages pages = table.Pages(span);
  if (pages.count == 0) return Broken(span, "has no pages");
  for (uint64_t page = pages.first; page < pages.first + pages.count; ++page) {
    const uint16_t state = table.control().state(page).load(std::memory_order_acquire);
    if (StateKind(state) != PageKind::kAllocated) {
      return Broken(span, absl::StrCat("has page ", page, ", which is not allocated but in state ",
                                       state & 15));
    }
    if ((*taken)[page])
      return Broken(span, absl::StrCat("has page ", page, ", as another one has"));
    (*taken)[page] = true;
  }
  return absl::OkStatus();
}

absl::Status CheckSpan(const SpanTable& table, uint32_t span, bool listed,
                       std::vector<bool>* taken) {
  const SpanState state = table.State(span);
  const SpanPages pages = table.Pages(span);
  const bool nobodys =
      state.kind == SpanKind::kUnused || (state.kind == SpanKind::kSlab && state.cache == 0);
  if (nobodys != listed) {
    return Broken(span, listed ? "is listed and has an owner" : "is nobody's and not listed");
  }
  if (state.kind == SpanKind::kUnused) return absl::OkStatus();
  if (state.cache != 0 && table.control().cache(state.cache).load() == 0) {
    return Broken(span, absl::StrCat("belongs to cache ", state.cache, ", which does not exist"));
  }
  UARENA_RETURN_IF_ERROR(CheckPages(table, span, taken));
  if (state.kind != SpanKind::kSlab) {
    if (state.kind == SpanKind::kLarge && table.SpanOf(pages.first) != span) {
      return Broken(span, "is large and not found by its page");
    }
    return absl::OkStatus();
  }
  const SpanShape* shape = table.SlabShape(state, pages);
  if (shape == nullptr) {
    return Broken(span, absl::StrCat("has ", pages.count, " pages, which no slab of class ",
                                     state.size_class, " has"));
  }
  for (uint64_t page = pages.first; page < pages.first + pages.count; ++page) {
    if (table.SpanOf(page) != span) return Broken(span, "is not found by one of its pages");
  }
  if (Blocks(table, span, pages.first, *shape).Damaged()) {
    return Broken(span, "has more blocks free than there are");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckHeap(const SpanTable& table) {
  const Control& control = table.control();
  std::vector<bool> listed(table.end());
  std::vector<bool> taken(table.end() > 1 ? control.max_pages() : 0);
  UARENA_RETURN_IF_ERROR(
      CheckList(table, WordValue(control.word(kWordFreeSpan).load()), &listed,
                [](const SpanState& state) { return state.kind == SpanKind::kUnused; }));
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    UARENA_RETURN_IF_ERROR(CheckList(
        table, WordValue(control.word(control.layout().heap_lists + c).load()), &listed,
        [&](const SpanState& state) {
          return state.kind == SpanKind::kSlab && state.cache == 0 && state.size_class == c;
        }));
  }
  for (uint32_t span = 1; span < table.end(); ++span) {
    UARENA_RETURN_IF_ERROR(CheckSpan(table, span, listed[span], &taken));
  }
  return absl::OkStatus();
}

HeapStats CountHeap(const SpanTable& table) {
  HeapStats stats;
  const uint32_t page_shift = table.geometry().page_shift;
  for (uint32_t span = 1; span < table.end(); ++span) {
    const SpanState state = table.State(span);
    const SpanPages pages = table.Pages(span);
    if (state.kind == SpanKind::kUnused) continue;
    ++stats.spans;
    stats.pages += pages.count;
    if (state.kind == SpanKind::kEmpty || state.kind == SpanKind::kHeld)
      stats.empty_pages += pages.count;
    if (state.kind == SpanKind::kLarge) {
      ++stats.large_blocks;
      ++stats.blocks_in_use;
      stats.bytes_in_use += pages.count << page_shift;
    }
    if (const SpanShape* shape = table.SlabShape(state, pages); shape != nullptr) {
      const uint32_t used = Blocks(table, span, pages.first, *shape).CountUsed();
      stats.blocks_in_use += used;
      stats.bytes_in_use += uint64_t{used} * shape->size;
      if (used == 0) stats.empty_pages += pages.count;
    }
  }
  // Of each span its words and hints; of each page where it is, and the bits of its blocks.
  constexpr uint64_t kOfSpan = kSpanWords * sizeof(Word) + sizeof(SpanHints);
  constexpr uint64_t kOfGranule = 2 * sizeof(uint64_t) * kGranuleBitWords;
  stats.metadata_bytes = stats.spans * kOfSpan + stats.pages * sizeof(uint32_t) +
                         (stats.pages << (page_shift - kGranuleShift)) * kOfGranule;
  return stats;
}

}  // namespace uarena
