// SPDX-License-Identifier: Apache-2.0
//
// One arena's heap, as one process has it: the caches of its threads.
#ifndef UARENA_HEAP_ARENA_HEAP_H_
#define UARENA_HEAP_ARENA_HEAP_H_

#include <memory>
#include <mutex>
#include <vector>

#include "heap/page_source.h"
#include "heap/span_table.h"
#include "heap/thread_cache.h"

namespace uarena {

// Guards the lists of caches of all heaps; fork waits for it. One for all, since there are checkers
// that know only so many locks held at once.
std::mutex& CachesMutex();

// Thread-safe, but for Start, which comes before anything else: in a forked child again, since the
// caches that it has then are the parent's.
class ArenaHeap {
 public:
  void Start(const Control& control, const PageSource& source);

  const SpanTable& table() const { return table_; }

  // The cache of a thread, which `thread` names for as long as it runs; null: there is none left.
  ThreadCache* CacheOf(const void* thread);
  // When a thread ends: what it owns goes to whoever wants it.
  void ThreadEnds(const void* thread);
  // When the process detaches: the same for all of them.
  void AbandonAll();

  // A cache apart, for the calling thread to use; null: there is none left. It ends with
  // ThreadCache::MergeInto.
  std::unique_ptr<ThreadCache> NewApart();

  // In a forked child: the caches are the parent's, and nothing of them must be given up here.
  void Forget() { caches_.clear(); }

 private:
  struct Owned {
    const void* thread;
    std::unique_ptr<ThreadCache> cache;
  };
  std::unique_ptr<ThreadCache> NewCache(bool apart);

  SpanTable table_;
  PageSource source_;
  std::vector<Owned> caches_;
};

}  // namespace uarena

#endif  // UARENA_HEAP_ARENA_HEAP_H_
