// SPDX-License-Identifier: Apache-2.0
#include "heap/span_table.h"

#include <cerrno>

#include "os/failpoint.h"
#include "pages/operation.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

void MapPages(const SpanTable& table, const SpanPages& pages, uint32_t span) {
  for (uint64_t page = pages.first; page < pages.first + pages.count; ++page) {
    table.MapEntry(page).store(span, std::memory_order_relaxed);
  }
}

// Inside a transaction: makes an unused span the cache's HELD one of these pages. 0: the table is
// full.
uint32_t HoldUnused(const SpanTable& table, Transaction& transaction, const SpanPages& pages,
                    uint32_t cache) {
  const Control& control = table.control();
  uint32_t span = transaction.Read(kWordFreeSpan);
  if (span != 0) {
    if (!table.Exists(span)) transaction.MarkInconsistent();
    transaction.Write(kWordFreeSpan, transaction.Read(control.SpanIndex(span, kSpanNext)));
  } else {
    span = transaction.Read(kWordSpansUsed) + 1;
    if (!table.Exists(span)) return 0;
    transaction.Write(kWordSpansUsed, span);
  }
  transaction.Write(control.SpanIndex(span, kSpanState),
                    SpanState{SpanKind::kHeld, 0, cache}.Pack());
  transaction.Write(control.SpanIndex(span, kSpanFirst), static_cast<uint32_t>(pages.first));
  transaction.Write(control.SpanIndex(span, kSpanCount), static_cast<uint32_t>(pages.count));
  transaction.Write(control.SpanIndex(span, kSpanNext), 0);
  return span;
}

}  // namespace

const SpanShapes& ShapesFor(uint32_t page_shift) {
  static constexpr SpanShapes kSmall = MakeSpanShapes(12);
  static constexpr SpanShapes kHuge = MakeSpanShapes(21);
  static const SpanShapes other = MakeSpanShapes(page_shift);
  return page_shift == 12 ? kSmall : page_shift == 21 ? kHuge : other;
}

uint32_t TakeCache(const Control& control, uint32_t process_slot, bool apart) {
  for (uint32_t id = 1; id < kMaxHeapCaches; ++id) {
    std::atomic<uint32_t>& record = control.cache(id);
    if (record.load(std::memory_order_relaxed) != 0) continue;
    RaiseTo(control.header().cache_high, id + 1);
    uint32_t expected = 0;
    if (record.compare_exchange_strong(expected, (process_slot + 1) | (apart ? kCacheApart : 0))) {
      return id;
    }
  }
  return 0;
}

void GiveCache(const Control& control, uint32_t cache) {
  control.cache(cache).store(0, std::memory_order_release);
}

int CreateSpan(const SpanTable& table, uint32_t operation, const SpanPages& pages, uint32_t cache,
               uint32_t* span) {
  const Control& control = table.control();
  UARENA_FAILPOINT("heap.allocated");
  const int result = RunTransaction(control, operation, [&](Transaction& transaction) {
    const uint32_t taken = HoldUnused(table, transaction, pages, cache);
    if (taken == 0) return -ENOSPC;
    transaction.Write(control.IntentIndex(operation, kIntentKind),
                      PackIntent(IntentKind::kNone, 0));
    *span = taken;
    return 0;
  });
  if (result == 0) UARENA_FAILPOINT("heap.created");
  return result;
}

int EndSpan(const SpanTable& table, uint32_t operation, uint32_t span) {
  const Control& control = table.control();
  const SpanPages pages = table.Pages(span);
  if (pages.count == 0) return -EUCLEAN;
  MapPages(table, pages, 0);
  TagRun(control, operation, pages.first, pages.count);
  UARENA_FAILPOINT("heap.tagged");
  const int result = RunTransaction(control, operation, [&](Transaction& transaction) {
    transaction.Write(control.SpanIndex(span, kSpanState), SpanState().Pack());
    transaction.Write(control.SpanIndex(span, kSpanNext), transaction.Read(kWordFreeSpan));
    transaction.Write(kWordFreeSpan, span);
    auto write = [&](IntentWord word, uint64_t value) {
      transaction.Write(control.IntentIndex(operation, word), static_cast<uint32_t>(value));
    };
    write(kIntentFirst, pages.first);
    write(kIntentCount, pages.count);
    write(kIntentCursor, pages.first);
    write(kIntentKind, PackIntent(IntentKind::kFreeRun, 0));
    return 0;
  });
  if (result == 0) UARENA_FAILPOINT("heap.ended");
  return result;
}

void SetOwnState(const SpanTable& table, uint32_t span, const SpanState& state) {
  StoreWord(table.control().word(table.control().SpanIndex(span, kSpanState)), state.Pack());
}

int TakeEmpty(const SpanTable& table, uint32_t operation, uint32_t span, uint32_t cache,
              bool anybodys) {
  const Control& control = table.control();
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    const uint64_t word = control.SpanIndex(span, kSpanState);
    const SpanState state = SpanState::Unpack(transaction.Read(word));
    if (state.kind != SpanKind::kEmpty || (state.cache != cache && !anybodys)) return -ENOENT;
    transaction.Write(word, SpanState{SpanKind::kHeld, 0, cache}.Pack());
    return 0;
  });
}

int SplitSpan(const SpanTable& table, uint32_t operation, uint32_t span, uint64_t count,
              uint32_t cache, uint32_t* rest) {
  const Control& control = table.control();
  const SpanPages pages = table.Pages(span);
  if (count >= pages.count) return -ENOENT;
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    *rest = HoldUnused(table, transaction, {pages.first + count, pages.count - count}, cache);
    if (*rest == 0) return -ENOSPC;
    transaction.Write(control.SpanIndex(span, kSpanCount), static_cast<uint32_t>(count));
    return 0;
  });
}

void UseSpan(const SpanTable& table, uint32_t span, const SpanState& state) {
  const SpanPages pages = table.Pages(span);
  table.Remote(span).store(0, std::memory_order_relaxed);
  MapPages(table, pages, span);
  UARENA_FAILPOINT("heap.mapped");
  SetOwnState(table, span, state);
}

int TakeLarge(const SpanTable& table, uint32_t operation, uint32_t span, uint64_t first,
              uint32_t cache, uint32_t only_of) {
  const Control& control = table.control();
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    const uint64_t state = control.SpanIndex(span, kSpanState);
    const SpanState seen = SpanState::Unpack(transaction.Read(state));
    if (seen.kind != SpanKind::kLarge || (only_of != 0 && seen.cache != only_of) ||
        transaction.Read(control.SpanIndex(span, kSpanFirst)) != first) {
      return -ENOENT;
    }
    transaction.Write(state, SpanState{SpanKind::kHeld, 0, cache}.Pack());
    return 0;
  });
}

int DisownLarge(const SpanTable& table, uint32_t operation, uint32_t span, uint32_t cache) {
  const Control& control = table.control();
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    const uint64_t state = control.SpanIndex(span, kSpanState);
    if (transaction.Read(state) != SpanState{SpanKind::kLarge, 0, cache}.Pack()) return -ENOENT;
    transaction.Write(state, SpanState{SpanKind::kLarge, 0, 0}.Pack());
    return 0;
  });
}

int AbandonSlab(const SpanTable& table, uint32_t operation, uint32_t span) {
  const Control& control = table.control();
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    SpanState state = SpanState::Unpack(transaction.Read(control.SpanIndex(span, kSpanState)));
    if (state.kind != SpanKind::kSlab || state.cache == 0) return -ENOENT;
    state.cache = 0;
    const uint64_t list = control.layout().heap_lists + state.size_class;
    transaction.Write(control.SpanIndex(span, kSpanState), state.Pack());
    transaction.Write(control.SpanIndex(span, kSpanNext), transaction.Read(list));
    transaction.Write(list, span);
    return 0;
  });
}

int AdoptSlab(const SpanTable& table, uint32_t operation, uint32_t size_class, uint32_t cache,
              uint32_t* span) {
  const Control& control = table.control();
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    const uint64_t list = control.layout().heap_lists + size_class;
    *span = transaction.Read(list);
    if (*span == 0) return -ENOENT;
    if (!table.Exists(*span)) {
      transaction.MarkInconsistent();
      return -EUCLEAN;
    }
    SpanState state = SpanState::Unpack(transaction.Read(control.SpanIndex(*span, kSpanState)));
    if (state.kind != SpanKind::kSlab || state.cache != 0 || state.size_class != size_class) {
      transaction.MarkInconsistent();
      return -EUCLEAN;
    }
    state.cache = cache;
    transaction.Write(control.SpanIndex(*span, kSpanState), state.Pack());
    transaction.Write(list, transaction.Read(control.SpanIndex(*span, kSpanNext)));
    return 0;
  });
}

}  // namespace uarena
