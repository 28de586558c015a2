// SPDX-License-Identifier: Apache-2.0
#include "heap/arena_heap.h"

#include <algorithm>
#include <utility>

namespace uarena {

std::mutex& CachesMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

void ArenaHeap::Start(const Control& control, const PageSource& source) {
  table_ = SpanTable(control, ShapesFor(control.description().geometry.page_shift));
  source_ = source;
  caches_.clear();
}

std::unique_ptr<ThreadCache> ArenaHeap::NewCache(bool apart) {
  const uint32_t id = TakeCache(table_.control(), source_.process_slot(), apart);
  if (id == 0) return nullptr;
  return std::make_unique<ThreadCache>(table_, source_, id, apart);
}

ThreadCache* ArenaHeap::CacheOf(const void* thread) {
  const std::lock_guard<std::mutex> lock(CachesMutex());
  for (const Owned& owned : caches_) {
    if (owned.thread == thread) return owned.cache.get();
  }
  std::unique_ptr<ThreadCache> cache = NewCache(false);
  if (cache == nullptr) return nullptr;
  caches_.push_back({thread, std::move(cache)});
  return caches_.back().cache.get();
}

void ArenaHeap::ThreadEnds(const void* thread) {
  const std::lock_guard<std::mutex> lock(CachesMutex());
  const auto at = std::find_if(caches_.begin(), caches_.end(),
                               [&](const Owned& owned) { return owned.thread == thread; });
  if (at == caches_.end()) return;
  at->cache->Abandon();
  caches_.erase(at);
}

void ArenaHeap::AbandonAll() {
  const std::lock_guard<std::mutex> lock(CachesMutex());
  for (const Owned& owned : caches_) owned.cache->Abandon();
  caches_.clear();
}

std::unique_ptr<ThreadCache> ArenaHeap::NewApart() { return NewCache(true); }

}  // namespace uarena
