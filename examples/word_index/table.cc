// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <signal.h>
#include <unistd.h>

#include <new>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace word_index {
namespace {

constexpr char kRoot[] = "table";
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kBucketsOffset = 4 * kGiB;
constexpr uint64_t kTextOffset = 5 * kGiB;
constexpr uint64_t kLogsOffset = kTextOffset + kMaxTextBytes;
constexpr uint64_t kArenaBytes = kLogsOffset + kMaxParticipants * kLogEntries * sizeof(LogEntry);
constexpr uint64_t kHeapStep = 64 << 10;  // what a process takes from the heap at a time

uint64_t SystemPageSize() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

char* At(const uarena::Arena& arena, uint64_t offset) {
  return static_cast<char*>(arena.base()) + offset;
}

uint64_t PagesFor(const uarena::Arena& arena, uint64_t bytes) {
  return (bytes + arena.page_size() - 1) / arena.page_size();
}

// FNV-1a. The same in every process, which a salted hash is not.
uint64_t Hash(std::string_view word) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash ^ hash >> 32;
}

Word* FindFrom(Word* at, const Word* end, std::string_view word) {
  while (at != end && at->view() != word) at = at->next;
  return at == end ? nullptr : at;
}

}  // namespace

uint64_t ArenaPages() { return kArenaBytes / SystemPageSize(); }

absl::StatusOr<Table*> CreateTable(uarena::Arena& arena) {
  // Asking for the first pages by address also decides who makes the table if two processes try.
  const uint64_t pages = PagesFor(arena, sizeof(Table));
  const absl::StatusOr<void*> memory = arena.AllocPages(arena.base(), pages);
  if (absl::IsAlreadyExists(memory.status())) {
    return absl::AlreadyExistsError(absl::StrCat(
        "arena ", arena.name(), " has an index already; to make a new one: uarenactl rm ",
        arena.name(), ", or choose another --arena"));
  }
  if (!memory.ok()) return memory.status();
  auto* table = new (*memory) Table();
  table->heap = At(arena, pages * arena.page_size());
  // Zero bytes are empty buckets; there is nothing to construct, and nothing to be touched.
  table->buckets = reinterpret_cast<Bucket*>(At(arena, kBucketsOffset));
  table->text = At(arena, kTextOffset);
  for (uint32_t i = 0; i < kMaxParticipants; ++i) {
    table->participant[i].log =
        reinterpret_cast<LogEntry*>(At(arena, kLogsOffset)) + i * kLogEntries;
  }
  absl::Status published = arena.SetRoot(kRoot, table);
  if (!published.ok()) return published;
  return table;
}

absl::StatusOr<Table*> FindTable(const uarena::Arena& arena, absl::Time deadline) {
  while (true) {
    const absl::StatusOr<void*> root = arena.Root(kRoot);
    if (root.ok()) return static_cast<Table*>(*root);
    if (!absl::IsNotFound(root.status()) || absl::Now() > deadline) return root.status();
    absl::SleepFor(absl::Milliseconds(1));
  }
}

absl::Status ClearTable(uarena::Arena& arena) {
  const absl::StatusOr<void*> root = arena.Root(kRoot);
  if (root.ok()) {
    for (const Participant& other : Participants(*static_cast<Table*>(*root))) {
      if (!other.finished.load() && other.pid != 0 && kill(other.pid, 0) == 0) {
        return absl::FailedPreconditionError(absl::StrCat("process ", other.pid,
                                                          " is at work in arena ", arena.name(),
                                                          "; choose another --arena"));
      }
    }
    absl::Status removed = arena.SetRoot(kRoot, nullptr);
    if (!removed.ok()) return removed;
  }
  const absl::Status freed = arena.FreePages(arena.base(), arena.max_pages());
  // There was nothing to free.
  return absl::IsFailedPrecondition(freed) ? absl::OkStatus() : freed;
}

absl::StatusOr<Participant*> Join(const uarena::Arena& arena, Table& table, Role role) {
  const uint32_t number = table.participants.fetch_add(1);
  if (number >= kMaxParticipants) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMaxParticipants, " processes have worked on this index; make a new one"));
  }
  Participant& participant = table.participant[number];
  participant.role = role;
  participant.mode = arena.fault_mode();
  participant.pid = getpid();
  return &participant;
}

absl::Status Finish(const uarena::Arena& arena, Participant& participant) {
  const absl::StatusOr<uarena::ArenaStats> stats = arena.Stats();
  if (!stats.ok()) return stats.status();
  participant.faults = stats->faults;
  participant.finished.store(true, std::memory_order_release);
  return absl::OkStatus();
}

Word* Find(const Table& table, std::string_view word) {
  return FindFrom(BucketWords(table, Hash(word)), nullptr, word);
}

absl::StatusOr<Word*> WordAdder::NewWord(std::string_view word) {
  if (unused_ == unused_end_) {
    const uint64_t count = PagesFor(arena_, kHeapStep);
    const uint64_t first = table_.heap_pages_taken.fetch_add(count);
    const absl::StatusOr<void*> pages =
        arena_.AllocPages(table_.heap + first * arena_.page_size(), count);
    if (!pages.ok()) return pages.status();
    unused_ = static_cast<Word*>(*pages);
    unused_end_ = unused_ + count * arena_.page_size() / sizeof(Word);
  }
  return new (unused_++) Word{nullptr, word.data(), word.size(), {}};
}

absl::StatusOr<Word*> WordAdder::FindOrAdd(std::string_view word) {
  Bucket& bucket = table_.buckets[Hash(word) % kBuckets];
  Word* first = bucket.load(std::memory_order_acquire);
  if (Word* found = FindFrom(first, nullptr, word); found != nullptr) return found;
  absl::StatusOr<Word*> added = NewWord(word);
  if (!added.ok()) return added;
  (*added)->next = first;
  while (!bucket.compare_exchange_weak(first, *added, std::memory_order_acq_rel)) {
    // Somebody was quicker; only what is new in front of the words that were looked at can be this
    // one.
    if (Word* found = FindFrom(first, (*added)->next, word); found != nullptr) {
      --unused_;  // nobody has seen it
      return found;
    }
    (*added)->next = first;
  }
  table_.distinct_words.fetch_add(1, std::memory_order_relaxed);
  return added;
}

}  // namespace word_index
