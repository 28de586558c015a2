// SPDX-License-Identifier: Apache-2.0
#include "client/attached.h"

#include "client/arena_impl.h"
#include "os/syscall.h"
#include "pages/operation.h"
#include "uarena/internal/thread_owner.h"

namespace uarena {
namespace internal {

constinit thread_local ThreadOwnerCache t_owner{};
constinit std::atomic<uint64_t> g_attach_epoch{1};

}  // namespace internal

namespace {

// Read without a lock: `changes` is odd while the rest changes.
struct Entry {
  std::atomic<uint64_t> changes{0};
  std::atomic<ArenaImpl*> arena{nullptr};
  std::atomic<uint64_t> base{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint32_t> owner_id{0};
};

// Chunks are added and never freed, so that readers need not be waited for.
struct Chunk {
  Entry entries[16];
  std::atomic<Chunk*> next{nullptr};
};
constinit Chunk g_first;

void Store(Entry& entry, const Attached& attached) {
  const uint64_t changes = entry.changes.load(std::memory_order_relaxed);
  entry.changes.store(changes + 1, std::memory_order_relaxed);
  // Releases, each: who sees one of them sees the odd count as well.
  entry.arena.store(attached.arena, std::memory_order_release);
  entry.base.store(attached.base, std::memory_order_release);
  entry.bytes.store(attached.bytes, std::memory_order_release);
  entry.owner_id.store(attached.owner_id, std::memory_order_release);
  entry.changes.store(changes + 2, std::memory_order_release);
  internal::g_attach_epoch.fetch_add(1);
}

// Nothing if the entry is changing: then it is not of an arena that the caller may rely on. (It
// cannot wait, since it may be a signal handler that interrupted the change.)
Attached Load(const Entry& entry) {
  for (;;) {
    const uint64_t changes = entry.changes.load(std::memory_order_acquire);
    if (changes % 2 != 0) return Attached();
    const Attached attached{entry.base.load(std::memory_order_acquire),
                            entry.bytes.load(std::memory_order_acquire),
                            entry.arena.load(std::memory_order_acquire),
                            entry.owner_id.load(std::memory_order_acquire)};
    if (entry.changes.load(std::memory_order_relaxed) == changes) return attached;
  }
}

}  // namespace

std::optional<Attached> FindAttached(const void* address) {
  for (const Chunk* chunk = &g_first; chunk != nullptr;
       chunk = chunk->next.load(std::memory_order_acquire)) {
    for (const Entry& entry : chunk->entries) {
      const Attached attached = Load(entry);
      if (reinterpret_cast<uint64_t>(address) - attached.base < attached.bytes) return attached;
    }
  }
  return std::nullopt;
}

std::atomic<uint64_t>& AttachEpoch() { return internal::g_attach_epoch; }

void AddAttached(ArenaImpl* arena) {
  const Attached attached{
      arena->geometry().base, arena->geometry().bytes(), arena,
      arena->read_only() != nullptr ? 0 : OwnerId(arena->control(), arena->slot())};
  for (Chunk* chunk = &g_first;;) {
    for (Entry& entry : chunk->entries) {
      if (entry.arena.load(std::memory_order_relaxed) != nullptr) continue;
      Store(entry, attached);
      return;
    }
    if (chunk->next.load(std::memory_order_relaxed) == nullptr) {
      chunk->next.store(new Chunk, std::memory_order_release);
    }
    chunk = chunk->next.load(std::memory_order_relaxed);
  }
}

void RemoveAttached(ArenaImpl* arena) {
  for (Chunk* chunk = &g_first; chunk != nullptr;
       chunk = chunk->next.load(std::memory_order_relaxed)) {
    for (Entry& entry : chunk->entries) {
      if (entry.arena.load(std::memory_order_relaxed) == arena) Store(entry, Attached());
    }
  }
}

namespace internal {

ThreadOwner FindThreadOwner(const void* address) {
  const uint64_t epoch = AttachEpoch().load(std::memory_order_acquire);
  const std::optional<Attached> found = FindAttached(address);
  if (!found.has_value() || found->owner_id == 0) return 0;
  const ThreadOwner self = uint64_t{static_cast<uint32_t>(sys::GetTid())} << 32 | found->owner_id;
  ThreadOwnerCache& cache = t_owner;
  const uint32_t changes = cache.changes.load(std::memory_order_relaxed);
  if (changes % 2 != 0) return self;  // in a signal handler that interrupted a change
  cache.changes.store(changes + 1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  cache.epoch.store(0, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  cache.base.store(found->base, std::memory_order_relaxed);
  cache.bytes.store(found->bytes, std::memory_order_relaxed);
  cache.self.store(self, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  cache.epoch.store(epoch, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  cache.changes.store(changes + 2, std::memory_order_relaxed);
  return self;
}

}  // namespace internal
}  // namespace uarena
