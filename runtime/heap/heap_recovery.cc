// SPDX-License-Identifier: Apache-2.0
#include "heap/heap_recovery.h"

#include "heap/blocks.h"
#include "heap/span_table.h"
#include "os/failpoint.h"
#include "pages/roots.h"

namespace uarena {
namespace {

uint32_t RecordOf(const Control& control, uint32_t cache) {
  return control.cache(cache).load(std::memory_order_acquire);
}

// Whether the span, which is the dead process's, may be ended; then nobody else can take it any
// more.
bool TakeForEnding(const SpanTable& table, uint32_t operation, uint32_t span,
                   const SpanState& state, const SpanPages& pages) {
  switch (state.kind) {
    case SpanKind::kEmpty:  // others in need may take it at this moment
      return TakeEmpty(table, operation, span, state.cache, false) == 0;
    case SpanKind::kLarge:
      return TakeLarge(table, operation, span, pages.first, state.cache, state.cache) == 0;
    default:
      return true;
  }
}

void RecoverSpan(const SpanTable& table, const PageContext& context, uint32_t operation,
                 uint32_t span, uint32_t dead) {
  const SpanState state = table.State(span);
  const SpanPages pages = table.Pages(span);
  const SpanShape* shape = table.SlabShape(state, pages);
  const uint32_t record = state.cache == 0 ? 0 : RecordOf(table.control(), state.cache);
  const bool apart = (record & kCacheApart) != 0;
  if (CacheOwner(record) != dead || state.kind == SpanKind::kUnused) {
    // The dead process may have freed a block here, and not have said so.
    if (shape != nullptr) Blocks(table, span, pages.first, *shape).NoteRemote();
    return;
  }
  if (!apart && shape != nullptr && Blocks(table, span, pages.first, *shape).CountUsed() != 0) {
    AbandonSlab(table, operation, span);
  } else if (!apart && state.kind == SpanKind::kLarge) {
    DisownLarge(table, operation, span, state.cache);
  } else if (TakeForEnding(table, operation, span, state, pages) &&
             EndSpan(table, operation, span) == 0) {
    FreeRun(context, operation);
  }
}

// Calls visit(cache) for each of the process's caches.
template <typename Visit>
void ForCachesOf(const Control& control, uint32_t process_slot, Visit visit) {
  const uint32_t high = std::min(control.header().cache_high.load(), kMaxHeapCaches);
  for (uint32_t cache = 1; cache < high; ++cache) {
    if (CacheOwner(RecordOf(control, cache)) == process_slot + 1) visit(cache);
  }
}

}  // namespace

void RecoverHeap(const PageContext& context, uint32_t operation, uint32_t process_slot) {
  const Control& control = *context.control;
  bool any = false;
  ForCachesOf(control, process_slot, [&](uint32_t cache) {
    any = true;
    // If its object was finished, or not begun, what it has is like any other's.
    const bool apart = (RecordOf(control, cache) & kCacheApart) != 0;
    if (apart && !ConstructsRoot(control, operation, cache)) EndApart(control, cache);
  });
  if (!any) return;
  const SpanTable table(control, ShapesFor(control.description().geometry.page_shift));
  for (uint32_t span = 1; span < table.end(); ++span) {
    RecoverSpan(table, context, operation, span, process_slot + 1);
    UARENA_FAILPOINT("heap.recovered");
  }
  ForCachesOf(control, process_slot, [&](uint32_t cache) {
    if ((RecordOf(control, cache) & kCacheApart) != 0) DropClaim(control, operation, cache);
    GiveCache(control, cache);
  });
}

}  // namespace uarena
