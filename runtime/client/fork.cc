// SPDX-License-Identifier: Apache-2.0
#include "client/fork.h"

#include <pthread.h>

#include <algorithm>
#include <vector>

#include "client/arena_impl.h"
#include "os/assistant.h"
#include "os/background_thread.h"

namespace uarena {
namespace {

std::vector<ArenaImpl*>& Arenas() {
  static auto* arenas = new std::vector<ArenaImpl*>;
  return *arenas;
}

void BeforeFork() {
  AttachMutex().lock();
  CachesMutex().lock();
  for (ArenaImpl* arena : Arenas()) arena->BeforeFork();
}
void AfterForkInParent() {
  for (ArenaImpl* arena : Arenas()) arena->AfterForkInParent();
  CachesMutex().unlock();
  AttachMutex().unlock();
}
void AfterForkInChild() {
  NoteForkedChild();
  Assistant::AbandonInChild();
  for (ArenaImpl* arena : Arenas()) arena->AfterForkInChild();
  CachesMutex().unlock();
  AttachMutex().unlock();
}

}  // namespace

std::mutex& AttachMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

void TrackForFork(ArenaImpl* arena) {
  static const int installed = pthread_atfork(BeforeFork, AfterForkInParent, AfterForkInChild);
  static_cast<void>(installed);
  Arenas().push_back(arena);
}

void UntrackForFork(ArenaImpl* arena) {
  std::vector<ArenaImpl*>& arenas = Arenas();
  arenas.erase(std::remove(arenas.begin(), arenas.end(), arena), arenas.end());
}

void ForEachArena(const std::function<void(ArenaImpl&)>& visit) {
  const std::lock_guard<std::mutex> lock(AttachMutex());
  for (ArenaImpl* arena : Arenas()) visit(*arena);
}

bool AttachedAt(uint64_t base) {
  const std::lock_guard<std::mutex> lock(AttachMutex());
  return std::any_of(Arenas().begin(), Arenas().end(),
                     [&](const ArenaImpl* arena) { return arena->geometry().base == base; });
}

}  // namespace uarena
