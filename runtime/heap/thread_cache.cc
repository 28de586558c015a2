// SPDX-License-Identifier: Apache-2.0
#include "heap/thread_cache.h"

#include <algorithm>
#include <cerrno>

#include "os/failpoint.h"
#include "pages/operation.h"

namespace uarena {
namespace {

// How many full slabs are looked at before pages are taken.
constexpr uint32_t kLooks = 4;
// What a thread keeps for its next spans.
constexpr uint64_t kMostEmptyBytes = 1 << 20;

}  // namespace

ThreadCache::ThreadCache(const SpanTable& table, const PageSource& source, uint32_t id, bool apart)
    : table_(table),
      source_(source),
      id_(id),
      apart_(apart),
      empty_(kMostEmptyBytes >> table.geometry().page_shift) {
  for (uint32_t c = 0; c < kSizeClasses; ++c) classes_[c].size = ClassSize(c);
}

bool ThreadCache::ClassFor(uint64_t size, uint64_t alignment, uint32_t* size_class) const {
  size = std::max<uint64_t>(size, 1);
  const uint64_t largest = table_.shapes().largest;
  if (alignment > 16) size = (size + alignment - 1) & ~(alignment - 1);
  if (size == 0 || size > largest) return false;
  *size_class = ClassOf(size);
  // Spans begin at a page, so a block is aligned if its size is.
  while (alignment > 16 && ClassSize(*size_class) % alignment != 0) {
    if (++*size_class == kSizeClasses || ClassSize(*size_class) > largest) return false;
  }
  return true;
}

void* ThreadCache::TakeFromCurrent(uint32_t size_class) {
  Class& of = classes_[size_class];
  uint32_t block = 0;
  if (!of.blocks.Take(&block)) return nullptr;
  return reinterpret_cast<void*>(of.base + uint64_t{block} * of.size);
}

void* ThreadCache::AllocateSlowly(uint32_t size_class) {
  Class& of = classes_[size_class];
  if (of.current != 0) {
    if (CollectCurrent(of)) return TakeFromCurrent(size_class);
    RetireCurrent(of);
  }
  do {
    if (NextAvailable(of, size_class) || NextFull(of, size_class, kLooks) ||
        Adopt(of, size_class) || NewSlab(of, size_class) ||
        NextFull(of, size_class, table_.end())) {
      if (void* block = TakeFromCurrent(size_class); block != nullptr) return block;
      last_error_ = -EUCLEAN;  // a slab whose bits cannot be true
      return nullptr;
    }
  } while (MakeRoom());
  return nullptr;
}

bool ThreadCache::CollectCurrent(Class& of) {
  return of.blocks.AnyRemote() && of.blocks.Collect() != 0;
}

void ThreadCache::SetCurrent(Class& of, uint32_t size_class, uint32_t span) {
  of.current = span;
  of.base = table_.geometry().AddressOf(table_.Pages(span).first);
  of.blocks = BlocksOf(span, size_class);
  table_.Hints(span).place.store(kCurrent, std::memory_order_relaxed);
}

void ThreadCache::RetireCurrent(Class& of) {
  of.full.PushBack(table_, of.current, kFull);
  of.current = 0;
  of.blocks = Blocks();
}

bool ThreadCache::NextAvailable(Class& of, uint32_t size_class) {
  const uint32_t span = of.available.first();
  if (span == 0) return false;
  of.available.Remove(table_, span);
  SetCurrent(of, size_class, span);
  return true;
}

bool ThreadCache::NextFull(Class& of, uint32_t size_class, uint32_t looks) {
  const uint32_t last = of.full.last();
  uint32_t span = 0;
  while (of.full.first() != 0 && span != last && looks-- != 0) {
    span = of.full.first();
    of.full.Remove(table_, span);
    Blocks blocks = BlocksOf(span, size_class);
    if (blocks.AnyRemote() && blocks.Collect() != 0) {
      SetCurrent(of, size_class, span);
      return true;
    }
    of.full.PushBack(table_, span, kFull);
  }
  return false;
}

bool ThreadCache::Adopt(Class& of, uint32_t size_class) {
  if (apart_ || !AnyAbandoned(table_.control(), size_class)) return false;
  const Operation operation(table_.control(), source_.process_slot());
  uint32_t span = 0;
  while (operation.index() != 0 &&
         AdoptSlab(table_, operation.index(), size_class, id_, &span) == 0) {
    const SpanShape* shape = table_.SlabShape(table_.State(span), table_.Pages(span));
    if (shape == nullptr) return false;
    UARENA_FAILPOINT("heap.adopted");
    Blocks blocks = BlocksOf(span, size_class);
    blocks.Adopt();
    if (blocks.used() < shape->blocks) {
      SetCurrent(of, size_class, span);
      return true;
    }
    of.full.PushBack(table_, span, kFull);
  }
  return false;
}

bool ThreadCache::NewSlab(Class& of, uint32_t size_class) {
  const SpanShape& shape = table_.shapes().of[size_class];
  uint32_t span = empty_.Take(shape.pages, shape.pages).span;
  if (span == 0) span = NewSpan(shape.pages);
  if (span == 0) return false;
  Blocks::Init(table_.control(), table_.Pages(span).first, shape);
  UseSpan(table_, span, {SpanKind::kSlab, size_class, id_});
  BlocksOf(span, size_class).Adopt();
  SetCurrent(of, size_class, span);
  return true;
}

uint32_t ThreadCache::NewSpan(uint64_t count) {
  const Control& control = table_.control();
  const Operation operation(control, source_.process_slot());
  last_error_ = -EUSERS;
  if (operation.index() == 0) return 0;
  SpanPages pages{0, count};
  last_error_ = source_.Allocate(operation.index(), count, &pages.first);
  if (last_error_ != 0) return 0;
  uint32_t span = 0;
  last_error_ = CreateSpan(table_, operation.index(), pages, id_, &span);
  if (last_error_ == 0) return span;
  StoreIntent(control, operation.index(),
              {IntentKind::kFreeRun, 0, pages.first, count, pages.first});
  source_.Free(operation.index());
  return 0;
}

void* ThreadCache::AllocateLarge(uint64_t size) {
  const Geometry& geometry = table_.geometry();
  if (size > geometry.bytes()) {
    last_error_ = -ENOSPC;
    return nullptr;
  }
  const uint64_t count = (size + geometry.page_size() - 1) >> geometry.page_shift;
  uint32_t span = empty_.Take(count, count + count / 8).span;
  while (span == 0) {
    span = NewSpan(count);
    if (span == 0 && !MakeRoom()) return nullptr;
  }
  // It is nobody's, unless it may be thrown away with all that the cache has.
  UseSpan(table_, span, {SpanKind::kLarge, 0, apart_ ? id_ : 0});
  if (apart_) large_.push_back(span);
  return reinterpret_cast<void*>(geometry.AddressOf(table_.Pages(span).first));
}

bool ThreadCache::Free(uint64_t address) {
  const Geometry& geometry = table_.geometry();
  const uint64_t offset = address - geometry.base;
  if (ABSL_PREDICT_FALSE(offset >= geometry.bytes())) return false;
  const uint32_t span =
      table_.control().span_map(offset >> geometry.page_shift).load(std::memory_order_relaxed);
  if (ABSL_PREDICT_FALSE(!table_.Exists(span))) return false;
  const SpanState state = table_.State(span);
  const uint64_t first = table_.Value(span, kSpanFirst);
  if (ABSL_PREDICT_FALSE(state.kind != SpanKind::kSlab || state.size_class >= kSizeClasses)) {
    return state.kind == SpanKind::kLarge && address == geometry.AddressOf(first) &&
           FreeLarge(span, first);
  }
  const SpanShape& shape = table_.shapes().of[state.size_class];
  const uint64_t inside = offset - (first << geometry.page_shift);
  if (ABSL_PREDICT_FALSE(inside >= uint64_t{shape.pages} << geometry.page_shift)) return false;
  const uint32_t block = shape.BlockAt(inside);
  if (ABSL_PREDICT_FALSE(uint64_t{block} * shape.size != inside || block >= shape.blocks)) {
    return false;
  }
  Blocks blocks(table_, span, first, shape);
  if (state.cache != id_) return blocks.GiveRemotely(block);
  if (ABSL_PREDICT_FALSE(!blocks.Give(block))) return false;
  const uint32_t place = table_.Hints(span).place.load(std::memory_order_relaxed);
  if (ABSL_PREDICT_TRUE(place == kCurrent)) return true;
  if (place == kAvailable && blocks.used() != 0) return true;
  Class& of = classes_[state.size_class];
  (place == kFull ? of.full : of.available).Remove(table_, span);
  Sort(of, state.size_class, span);
  return true;
}

void ThreadCache::Sort(Class& of, uint32_t size_class, uint32_t span) {
  const uint32_t used = BlocksOf(span, size_class).used();
  if (used == 0) {
    BecomeEmpty(span);
  } else if (used < table_.shapes().of[size_class].blocks) {
    of.available.PushFront(table_, span, kAvailable);
  } else {
    of.full.PushBack(table_, span, kFull);
  }
}

bool ThreadCache::FreeLarge(uint32_t span, uint64_t first) {
  {
    const Operation operation(table_.control(), source_.process_slot());
    if (operation.index() == 0 || TakeLarge(table_, operation.index(), span, first, id_) != 0) {
      return false;
    }
  }
  UARENA_FAILPOINT("heap.large_taken");
  KeepEmpty(span);
  return true;
}

void ThreadCache::BecomeEmpty(uint32_t span) {
  SetOwnState(table_, span, {SpanKind::kEmpty, 0, id_});
  KeepEmpty(span);
}

void ThreadCache::KeepEmpty(uint32_t span) {
  const uint64_t pages = table_.Pages(span).count;
  if (!empty_.Worth(pages)) {
    End(span);
    return;
  }
  for (EmptySpan surplus = empty_.TakeSurplus(pages); surplus.span != 0;
       surplus = empty_.TakeSurplus(pages)) {
    End(surplus.span);
  }
  empty_.Add({span, pages});
}

// Should it fail, the span stays this cache's, and goes when the cache does.
bool ThreadCache::End(uint32_t span) {
  const Operation operation(table_.control(), source_.process_slot());
  if (operation.index() == 0 || EndSpan(table_, operation.index(), span) != 0) return false;
  source_.Free(operation.index());
  return true;
}

template <typename Visit>
void ThreadCache::TakeApart(Class& of, Visit visit) {
  if (of.current != 0) RetireCurrent(of);
  // Bounded, since the links may be damaged.
  uint32_t left = table_.end();
  for (uint32_t span = of.available.first(); span != 0 && left-- != 0;
       span = of.available.first()) {
    of.available.Remove(table_, span);
    of.full.PushBack(table_, span, kFull);
  }
  const uint32_t last = of.full.last();
  for (uint32_t span = of.full.first(); span != 0 && left-- != 0; span = of.full.first()) {
    of.full.Remove(table_, span);
    visit(span);
    if (span == last) break;
  }
}

uint64_t ThreadCache::Trim(bool all) {
  for (uint32_t c = 0; c < kSizeClasses && ClassSize(c) <= table_.shapes().largest; ++c) {
    Class& of = classes_[c];
    if (of.current != 0) RetireCurrent(of);
    while (all && Adopt(of, c)) RetireCurrent(of);
    TakeApart(of, [&](uint32_t span) {
      Blocks blocks = BlocksOf(span, c);
      if (blocks.AnyRemote()) blocks.Collect();
      Sort(of, c, span);
    });
  }
  uint64_t pages = 0;
  for (EmptySpan empty = empty_.Take(0, ~uint64_t{0}); empty.span != 0;
       empty = empty_.Take(0, ~uint64_t{0})) {
    if (End(empty.span)) pages += empty.pages;
  }
  return pages;
}

bool ThreadCache::MakeRoom() {
  return (last_error_ == -ENOSPC || last_error_ == -EDQUOT || last_error_ == -ENOMEM) &&
         Trim(true) != 0;
}

void ThreadCache::Abandon() {
  Trim(false);
  const Operation operation(table_.control(), source_.process_slot());
  // Without a record they stay this cache's, until the process ends.
  if (operation.index() == 0) return;
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    TakeApart(classes_[c], [&](uint32_t span) { AbandonSlab(table_, operation.index(), span); });
  }
  GiveCache(table_.control(), id_);
}

void ThreadCache::MergeInto(ThreadCache& other) {
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    Class& of = other.classes_[c];
    TakeApart(classes_[c], [&](uint32_t span) {
      SetOwnState(table_, span, {SpanKind::kSlab, c, other.id_});
      other.Sort(of, c, span);
    });
  }
  for (EmptySpan empty = empty_.Take(0, ~uint64_t{0}); empty.span != 0;
       empty = empty_.Take(0, ~uint64_t{0})) {
    other.BecomeEmpty(empty.span);
  }
  const Operation operation(table_.control(), source_.process_slot());
  for (const uint32_t span : large_) DisownLarge(table_, operation.index(), span, id_);
  GiveCache(table_.control(), id_);
}

}  // namespace uarena
