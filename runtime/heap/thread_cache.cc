// SPDX-License-Identifier: Apache-2.0
#include "heap/thread_cache.h"

#include <time.h>

#include <algorithm>
#include <cerrno>

#include "os/failpoint.h"
#include "pages/operation.h"

namespace uarena {
namespace {

// How many full slabs are looked at before pages are taken.
constexpr uint32_t kLooks = 4;
// How long a thread keeps a span without blocks for its next one, and how many it ends at a time.
// Long enough for what is freed to be allocated anew in another order; not long enough to be missed
// by others.
constexpr uint32_t kKeepMs = 10;
constexpr int kEndAtATime = 8;
// Of the pages that a thread has ever taken it takes a share in advance, up to so many.
constexpr uint64_t kBatchShare = 16;
constexpr uint64_t kMostBatchBytes = 256 << 10;

// To a few ms, and cheap.
uint32_t NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint32_t>(now.tv_sec * 1000 + now.tv_nsec / 1'000'000);
}

// What a class without a slab takes blocks from, so that it need not be asked whether it has one.
constinit std::atomic<uint64_t> g_no_bits{0};

}  // namespace

ThreadCache::ThreadCache(const SpanTable& table, const PageSource& source, uint32_t id, bool apart)
    : table_(table), source_(source), id_(id), apart_(apart) {
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    classes_[c].size = ClassSize(c);
    classes_[c].most_blocks = table.shapes().of[c].blocks;
    classes_[c].bits = &g_no_bits;
  }
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

void* ThreadCache::AllocateSlowly(uint32_t size_class, uint64_t alignment) {
  Class& of = classes_[size_class];
  do {
    if (ContinueCurrent(of, size_class) || NextAvailable(of, size_class) ||
        NextFull(of, size_class, kLooks) || Adopt(of, size_class) || NewSlab(of, size_class) ||
        NextFull(of, size_class, table_.end())) {
      if (void* block = TakeBlock(of); block != nullptr) return block;
      last_error_ = -EUCLEAN;  // a slab whose bits cannot be true
      return nullptr;
    }
  } while (MakeRoom());
  return AllocateFromLarger(size_class, alignment);
}

// A block that is larger than needed is better than none.
void* ThreadCache::AllocateFromLarger(uint32_t size_class, uint64_t alignment) {
  if (!NoRoom()) return nullptr;
  while (++size_class < kSizeClasses) {
    if (alignment > 16 && ClassSize(size_class) % alignment != 0) continue;
    Class& of = classes_[size_class];
    if (void* block = TakeBlock(of); block != nullptr) return block;
    if (ContinueCurrent(of, size_class) || NextAvailable(of, size_class)) return TakeBlock(of);
  }
  return nullptr;
}

bool ThreadCache::ContinueCurrent(Class& of, uint32_t size_class) {
  if (of.current == 0) return false;
  if (SetCurrent(of, size_class, of.current)) return true;
  Blocks blocks = BlocksOf(of.current, size_class);
  if (blocks.AnyRemote() && blocks.Collect()) return SetCurrent(of, size_class, of.current);
  RetireCurrent(of);
  return false;
}

bool ThreadCache::SetCurrent(Class& of, uint32_t size_class, uint32_t span) {
  uint32_t first = 0;
  std::atomic<uint64_t>* bits = BlocksOf(span, size_class).FindFree(&first);
  const SpanShape& shape = table_.shapes().of[size_class];
  if (bits == nullptr || first >= shape.blocks) return false;
  of.current = span;
  of.bits = bits;
  of.blocks = std::min(shape.blocks - first, 64u);
  of.address = table_.geometry().AddressOf(table_.Pages(span).first) + uint64_t{first} * of.size;
  table_.Hints(span).place.store(kCurrent, std::memory_order_relaxed);
  return true;
}

void ThreadCache::RetireCurrent(Class& of) {
  // None, unless it is taken apart next, which counts them.
  table_.Hints(of.current).free_blocks.store(0, std::memory_order_relaxed);
  of.full.PushBack(table_, of.current, kFull);
  of.current = 0;
  of.bits = &g_no_bits;
}

bool ThreadCache::NextAvailable(Class& of, uint32_t size_class) {
  // Bounded, since the links may be damaged.
  uint32_t left = table_.end();
  for (uint32_t span = of.available.first(); span != 0 && left-- != 0;
       span = of.available.first()) {
    of.available.Remove(table_, span);
    if (SetCurrent(of, size_class, span)) return true;
    of.full.PushBack(table_, span, kFull);  // all of it was taken as blocks freed lately
  }
  return false;
}

bool ThreadCache::NextFull(Class& of, uint32_t size_class, uint32_t looks) {
  const uint32_t last = of.full.last();
  uint32_t span = 0;
  while (of.full.first() != 0 && span != last && looks-- != 0) {
    span = of.full.first();
    of.full.Remove(table_, span);
    Blocks blocks = BlocksOf(span, size_class);
    if (blocks.AnyRemote() && blocks.Collect()) return SetCurrent(of, size_class, span);
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
    if (SetCurrent(of, size_class, span)) return true;
    table_.Hints(span).free_blocks.store(0, std::memory_order_relaxed);
    of.full.PushBack(table_, span, kFull);
  }
  return false;
}

bool ThreadCache::NewSlab(Class& of, uint32_t size_class) {
  const SpanShape& shape = table_.shapes().of[size_class];
  const uint32_t span = TakeSpan(shape.pages);
  if (span == 0) return false;
  Blocks::Init(table_, table_.Pages(span).first, shape);
  UseSpan(table_, span, {SpanKind::kSlab, size_class, id_});
  BlocksOf(span, size_class).Adopt();
  return SetCurrent(of, size_class, span);
}

uint32_t ThreadCache::TakeSpan(uint64_t count) {
  if (const uint32_t span = TakeKept(count); span != 0) return span;
  // With what the thread needs grows what it takes at a time, which costs less by the page.
  const uint64_t batch =
      std::min(new_pages_ / kBatchShare, kMostBatchBytes >> table_.geometry().page_shift);
  uint32_t span = batch >= count + EmptySpans::kLeastPages ? NewSpan(batch) : 0;
  if (span == 0) span = NewSpan(count);
  if (span != 0) CutOff(span, count, NowMs());
  return span;
}

uint32_t ThreadCache::TakeKept(uint64_t count) {
  while (true) {
    const EmptySpan kept = empty_.Remove(count);
    if (kept.span == 0) return 0;
    if (!TakeBack(kept.span)) continue;
    if (table_.Pages(kept.span).count < count) {
      Keep(kept.span, kept.since_ms);  // it has become another one since it was added
      continue;
    }
    CutOff(kept.span, count, kept.since_ms);
    return kept.span;
  }
}

bool ThreadCache::TakeBack(uint32_t span) {
  const Operation operation(table_.control(), source_.process_slot());
  if (operation.index() == 0) left_some_ = true;
  return operation.index() != 0 && TakeEmpty(table_, operation.index(), span, id_, false) == 0;
}

void ThreadCache::Keep(uint32_t span, uint32_t since_ms) {
  const uint64_t pages = table_.Pages(span).count;
  if (pages > EmptySpans::kMostPages) {
    End(span);
    return;
  }
  SetOwnState(table_, span, {SpanKind::kEmpty, 0, id_});
  empty_.Add({span, since_ms}, pages);
}

void ThreadCache::CutOff(uint32_t span, uint64_t count, uint32_t since_ms) {
  if (table_.Pages(span).count < count + EmptySpans::kLeastPages) return;
  uint32_t rest = 0;
  {
    const Operation operation(table_.control(), source_.process_slot());
    if (operation.index() == 0 ||
        SplitSpan(table_, operation.index(), span, count, id_, &rest) != 0) {
      return;
    }
  }
  UARENA_FAILPOINT("heap.split");
  Keep(rest, since_ms);  // as old as the whole
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
  if (last_error_ == 0) {
    new_pages_ += count;
    return span;
  }
  StoreIntent(control, operation.index(),
              {IntentKind::kFreeRun, 0, pages.first, count, pages.first, count});
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
  uint32_t span = TakeSpan(count);
  while (span == 0) {
    if (!MakeRoom()) return nullptr;
    span = TakeSpan(count);
  }
  // It is nobody's, unless it may be thrown away with all that the cache has.
  UseSpan(table_, span, {SpanKind::kLarge, 0, apart_ ? id_ : 0});
  if (apart_) large_.push_back(span);
  return reinterpret_cast<void*>(geometry.AddressOf(table_.Pages(span).first));
}

void ThreadCache::NoteFreed(Class& of, uint32_t span) {
  SpanHints& hints = table_.Hints(span);
  const uint32_t free_blocks = hints.free_blocks.load(std::memory_order_relaxed) + 1;
  hints.free_blocks.store(free_blocks, std::memory_order_relaxed);
  const bool was_full = hints.place.load(std::memory_order_relaxed) == kFull;
  const bool empty = free_blocks == of.most_blocks;
  if (!was_full && !empty) return;
  (was_full ? of.full : of.available).Remove(table_, span);
  if (empty) {
    BecomeEmpty(of, span);
  } else {
    of.available.PushFront(table_, span, kAvailable);
  }
}

void ThreadCache::Sort(Class& of, uint32_t size_class, uint32_t span) {
  const uint32_t free_blocks = BlocksOf(span, size_class).CountFree();
  table_.Hints(span).free_blocks.store(free_blocks, std::memory_order_relaxed);
  if (free_blocks == table_.shapes().of[size_class].blocks) {
    BecomeEmpty(of, span);
  } else if (free_blocks != 0) {
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

void ThreadCache::BecomeEmpty(Class& of, uint32_t span) {
  of.recent_count = 0;  // some may be of this span, which may be another's soon
  KeepEmpty(span);
}

void ThreadCache::KeepEmpty(uint32_t span) {
  const uint32_t now = NowMs();
  Keep(span, now);
  for (int i = 0; i < kEndAtATime && EndEmpty(now - kKeepMs); ++i) {
  }
}

// Ends a kept span that is older than `time_ms`. False: there is none.
bool ThreadCache::EndEmpty(uint32_t time_ms) {
  while (true) {
    const uint32_t span = empty_.RemoveOlder(time_ms).span;
    if (span == 0) return false;
    if (TakeBack(span) && End(span)) return true;
  }
}

// Should it fail, the span stays this cache's, and goes when the process does.
bool ThreadCache::End(uint32_t span) {
  const uint64_t pages = table_.Pages(span).count;
  const Operation operation(table_.control(), source_.process_slot());
  if (operation.index() == 0 || EndSpan(table_, operation.index(), span) != 0) {
    left_some_ = true;
    return false;
  }
  source_.Free(operation.index());
  ended_pages_ += pages;
  return true;
}

template <typename Visit>
void ThreadCache::TakeApart(Class& of, Visit visit) {
  if (of.current != 0) RetireCurrent(of);
  of.recent_count = 0;
  uint32_t left = table_.end();  // as in NextAvailable
  for (uint32_t span = of.available.first(); span != 0 && left-- != 0;
       span = of.available.first()) {
    of.available.Remove(table_, span);
    of.full.PushBack(table_, span, kFull);
  }
  const uint32_t last = of.full.last();
  left = table_.end();
  for (uint32_t span = of.full.first(); span != 0 && left-- != 0; span = of.full.first()) {
    of.full.Remove(table_, span);
    visit(span);
    if (span == last) break;
  }
}

uint64_t ThreadCache::Trim(bool all) {
  const uint64_t before = ended_pages_;
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
  const uint32_t later = NowMs() + kKeepMs;
  while (EndEmpty(later)) {
  }
  return ended_pages_ - before;
}

// Ends spans without blocks that others keep. Returns how many pages they had.
uint64_t ThreadCache::EndOthersEmpty() {
  const uint64_t before = ended_pages_;
  for (uint32_t span = 1; span < table_.end(); ++span) {
    if (table_.State(span).kind != SpanKind::kEmpty) continue;
    const Operation operation(table_.control(), source_.process_slot());
    if (operation.index() == 0) break;
    if (TakeEmpty(table_, operation.index(), span, id_, true) == 0) End(span);
  }
  return ended_pages_ - before;
}

bool ThreadCache::NoRoom() const {
  return last_error_ == -ENOSPC || last_error_ == -EDQUOT || last_error_ == -ENOMEM;
}

bool ThreadCache::MakeRoom() { return NoRoom() && (Trim(true) != 0 || EndOthersEmpty() != 0); }

void ThreadCache::Abandon() {
  Trim(false);
  const Operation operation(table_.control(), source_.process_slot());
  // Without a record they stay this cache's, until the process ends.
  if (operation.index() == 0) return;
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    TakeApart(classes_[c], [&](uint32_t span) { AbandonSlab(table_, operation.index(), span); });
  }
  if (!left_some_) GiveCache(table_.control(), id_);
}

void ThreadCache::MergeInto(ThreadCache& other) {
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    Class& of = other.classes_[c];
    TakeApart(classes_[c], [&](uint32_t span) {
      SetOwnState(table_, span, {SpanKind::kSlab, c, other.id_});
      other.Sort(of, c, span);
    });
  }
  const uint32_t later = NowMs() + kKeepMs;
  for (uint32_t span = empty_.RemoveOlder(later).span; span != 0;
       span = empty_.RemoveOlder(later).span) {
    if (!TakeBack(span)) continue;
    SetOwnState(table_, span, {SpanKind::kHeld, 0, other.id_});
    other.KeepEmpty(span);
  }
  const Operation operation(table_.control(), source_.process_slot());
  if (operation.index() == 0) return;  // the large ones and the cache stay until the process ends
  for (const uint32_t span : large_) DisownLarge(table_, operation.index(), span, id_);
  if (!left_some_) GiveCache(table_.control(), id_);
}

}  // namespace uarena
